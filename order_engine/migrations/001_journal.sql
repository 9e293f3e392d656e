-- The journal: what is known of every order now, and everything that happened to it. Both change in one transaction.

CREATE TABLE orders (
    n               INTEGER PRIMARY KEY,          -- order of acceptance; the cursor of lists
    id              TEXT    NOT NULL UNIQUE,
    client_order_id TEXT    UNIQUE,
    status          TEXT    NOT NULL,
    version         INTEGER NOT NULL,             -- counts this order's events
    epoch           INTEGER NOT NULL,             -- the daemon start that wrote it last
    dex             TEXT,
    input_token     TEXT    NOT NULL,
    output_token    TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,             -- unix milliseconds
    state           TEXT    NOT NULL              -- the whole order as JSON
) STRICT;

CREATE INDEX orders_open ON orders (n) WHERE status IN ('pending', 'routing', 'building', 'submitted');
CREATE INDEX orders_by_status ON orders (status, n);
CREATE INDEX orders_by_pair ON orders (input_token, output_token, n);
CREATE INDEX orders_by_time ON orders (created_at);
CREATE INDEX orders_by_suffix ON orders (substr(id, -4));

CREATE TABLE events (
    seq      INTEGER PRIMARY KEY,                 -- 1, 2, 3 … without a gap, for ever
    order_id TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    facts    TEXT    NOT NULL,                    -- the event as JSON
    UNIQUE (order_id, version)
) STRICT;

CREATE INDEX events_by_time ON events (at);

CREATE TABLE daemon (
    epoch INTEGER NOT NULL                        -- +1 at every start; a writer of an older epoch may not write
) STRICT;

INSERT INTO daemon (epoch) VALUES (0);
