-- Seconds at work by step: as long as any try of its tasks was. Gaps between them (a chunk is cleared minutes later, a sensor
-- sleeps) are nobody's work, and of tasks beside each other each second counts once.
SELECT
    t.step,
    sum(extract(epoch FROM greatest(t.ended_at - greatest(t.started_at, t.covered), interval '0')))::double precision
        AS seconds
FROM (
    SELECT
        step,
        started_at,
        coalesce(ended_at, clock_timestamp()) AS ended_at,
        max(coalesce(ended_at, clock_timestamp())) OVER (
            PARTITION BY step ORDER BY started_at, chunk ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS covered
    FROM s3_migration.timing
    WHERE run_no = %(run_no)s
) AS t
GROUP BY t.step
ORDER BY min(t.started_at)
