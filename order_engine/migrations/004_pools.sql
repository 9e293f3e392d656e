-- The pools that proofs speak of, each state written once: from one block to the next most pools are the same. What was kept before
-- stays in `markets`.

CREATE TABLE pool_states (
    id     INTEGER PRIMARY KEY,
    packed BLOB    NOT NULL                       -- the pool as JSON, deflated
) STRICT;

CREATE TABLE snapshots (
    digest TEXT    PRIMARY KEY,                   -- of the states, as the proof has it
    height INTEGER NOT NULL,
    pools  BLOB    NOT NULL                       -- their ids in pool_states, 8 bytes each, the most significant first
) STRICT, WITHOUT ROWID;
