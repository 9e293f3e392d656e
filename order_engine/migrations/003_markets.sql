-- The pools that proofs speak of: written with the event that has the proof, once for all orders that were routed on them.

CREATE TABLE markets (
    digest TEXT    PRIMARY KEY,                   -- of the states, as the proof has it
    height INTEGER NOT NULL,
    states BLOB    NOT NULL                       -- the pools as JSON, deflated
) STRICT, WITHOUT ROWID;
