-- What damage is noticed by: a sum over each event's text, and whether the file was closed in an orderly way.

ALTER TABLE events ADD COLUMN sum INTEGER;        -- CRC-32 of facts; NULL for events from before this column
ALTER TABLE daemon ADD COLUMN running INTEGER NOT NULL DEFAULT 0;  -- 1: what is newest is in the -wal file, which must be there
