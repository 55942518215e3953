-- The steps of a run in the order in which they began. At work is as long as any try of its tasks was: a gap between them (a
-- chunk is cleared minutes later, a sensor sleeps) is nobody's work, and of tasks beside each other each second counts once.
SELECT
    t.step,
    count(*) AS tasks,
    count(*) FILTER (WHERE t.running) AS at_work,
    min(t.started_at) AS began_at,
    max(t.ended_at) AS ended_at,
    sum(greatest(extract(epoch FROM t.ended_at - greatest(t.started_at, t.all_before)), 0))::double precision AS seconds
FROM (
    SELECT
        b.step,
        b.started_at,
        b.ended_at,
        b.running,
        max(b.ended_at) OVER (
            PARTITION BY b.step ORDER BY b.started_at, b.chunk ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS all_before
    FROM (
        SELECT
            k.step,
            k.chunk,
            k.started_at,
            coalesce(k.ended_at, clock_timestamp()) AS ended_at,
            k.ended_at IS NULL AS running
        FROM s3_migration.timing AS k
        WHERE k.run_no = %(run_no)s
    ) AS b
) AS t
GROUP BY t.step
ORDER BY min(t.started_at)
