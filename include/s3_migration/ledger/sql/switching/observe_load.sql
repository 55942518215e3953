-- What the switch weighs between two batches. Without pg_read_all_stats a replica's lag is hidden (its state is null),
-- and which table a vacuum is at work on: but not that one is (pid), nor the lock that it holds on its table.
SELECT
    r.lag, r.hidden, t.n_live_tup AS live_rows, t.n_dead_tup AS dead_rows,
    EXISTS (
        SELECT FROM pg_stat_progress_vacuum AS v
        JOIN pg_locks AS k ON k.pid = v.pid AND k.locktype = 'relation'
        WHERE
            v.datname = current_database() AND k.relation IN (SELECT i.oid FROM {tables} AS i)
            AND k.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
    ) AS vacuuming
FROM (
    SELECT
        -- Null while nothing is under way to it: it has caught up.
        max(extract(epoch FROM coalesce(replay_lag, '0')))
            FILTER (WHERE state IS NOT NULL)::double precision AS lag,
        count(*) FILTER (WHERE state IS NULL) AS hidden
    FROM pg_stat_replication
) AS r
CROSS JOIN (
    SELECT sum(s.n_live_tup)::bigint AS n_live_tup, sum(s.n_dead_tup)::bigint AS n_dead_tup
    FROM pg_stat_all_tables AS s
    WHERE s.relid IN (SELECT i.oid FROM {tables} AS i)
) AS t
