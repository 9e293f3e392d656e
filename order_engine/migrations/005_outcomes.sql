-- How many orders came to each end on each day of UTC, counted as they do: nobody has to count a day's events at a start. It follows
-- from the events. Of a journal from before, the days are counted in which something may still be asked about.

CREATE TABLE outcomes (
    day    INTEGER NOT NULL,                      -- since 1970
    status TEXT    NOT NULL,
    orders INTEGER NOT NULL,
    PRIMARY KEY (day, status)
) STRICT, WITHOUT ROWID;

INSERT INTO outcomes (day, status, orders)
SELECT json_extract(state, '$.ended_at') / 86400000, status, count(*) FROM orders
WHERE created_at >= (strftime('%s', 'now') - 2 * 86400) * 1000 AND json_valid(state) AND json_extract(state, '$.ended_at') IS NOT NULL
GROUP BY 1, 2;
