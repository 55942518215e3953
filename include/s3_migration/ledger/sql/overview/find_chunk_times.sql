-- When each chunk was copied and deleted, and how much of it: of the tasks that counted anything. What several tries of a
-- task did (begin_timing.sql) is shared out by what they took.
SELECT
    t.step,
    t.started_at,
    t.ended_at,
    (n.number * t.seconds / sum(t.seconds) OVER (PARTITION BY t.step, t.chunk))::double precision AS objects
FROM (
    SELECT
        k.step,
        mod(mod(k.chunk, 100000) + 100000, 100000) AS chunk,
        k.started_at,
        coalesce(k.ended_at, clock_timestamp()) AS ended_at,
        greatest(extract(epoch FROM coalesce(k.ended_at, clock_timestamp()) - k.started_at), 0.001) AS seconds
    FROM s3_migration.timing AS k
    WHERE k.run_no = %(run_no)s AND k.step IN ('copy', 'delete')
) AS t
JOIN s3_migration.tally AS n
    ON
        n.run_no = %(run_no)s AND n.step = t.step AND n.chunk = t.chunk AND n.number > 0
        AND n.what = CASE t.step WHEN 'copy' THEN 'copied' WHEN 'delete' THEN 'deleted' END
ORDER BY t.started_at, t.chunk
