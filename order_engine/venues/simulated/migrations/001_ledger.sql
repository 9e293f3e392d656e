-- The simulated chain's own file. A block is one transaction; no transaction spans this file and the journal.

CREATE TABLE chain (
    seed    INTEGER NOT NULL,
    height  INTEGER NOT NULL,
    made_at INTEGER NOT NULL                      -- unix milliseconds of the newest block
) STRICT;

CREATE TABLE pools (
    address TEXT PRIMARY KEY,
    dex     TEXT NOT NULL,
    token_a TEXT NOT NULL,
    token_b TEXT NOT NULL,
    state   TEXT NOT NULL                         -- the pool as JSON, "model" says of which kind
) STRICT;

CREATE TABLE balances (                           -- double entry: per token the sum over all accounts never changes
    account TEXT    NOT NULL,                     -- wallet, market, network, or a pool's address
    token   TEXT    NOT NULL,
    units   INTEGER NOT NULL CHECK (units >= 0),
    PRIMARY KEY (account, token)
) STRICT, WITHOUT ROWID;

CREATE TABLE genesis (                            -- what the sums are for ever
    token TEXT PRIMARY KEY,
    units INTEGER NOT NULL
) STRICT;

CREATE TABLE ledger (                             -- what landed, once per signature
    signature   TEXT PRIMARY KEY,
    height      INTEGER NOT NULL,
    nonce       TEXT    NOT NULL,
    pool        TEXT    NOT NULL,
    token_in    TEXT    NOT NULL,
    token_out   TEXT    NOT NULL,
    amount_in   INTEGER NOT NULL,
    amount_out  INTEGER NOT NULL,                 -- 0 when it failed
    fee         INTEGER NOT NULL,
    fee_token   TEXT    NOT NULL,
    network_fee INTEGER NOT NULL,
    error_code  TEXT,                             -- NULL: it did its swap
    error       TEXT
) STRICT;

CREATE INDEX ledger_by_nonce ON ledger (nonce);

CREATE TABLE mempool (                            -- sent, and waiting to land
    signature TEXT PRIMARY KEY,
    wire      TEXT    NOT NULL,
    lands_at  INTEGER NOT NULL
) STRICT;
