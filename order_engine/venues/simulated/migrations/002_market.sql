-- What the rest of the market does, and the pools that came after the beginning.

CREATE TABLE market (                             -- the newest holds
    since   INTEGER PRIMARY KEY,                  -- the height of the first block under it
    state   TEXT    NOT NULL                      -- regime and fair values, as JSON
) STRICT;

CREATE TABLE openings (                           -- how a pool came to be, or will: their providers' plan for it
    address TEXT PRIMARY KEY,
    opening TEXT NOT NULL                         -- as JSON
) STRICT;
