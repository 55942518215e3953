-- A step's seconds from its first task's start to its last one's end.
SELECT
    step,
    extract(epoch FROM max(coalesce(ended_at, clock_timestamp())) - min(started_at))::double precision AS seconds
FROM s3_migration.timing
WHERE run_no = %(run_no)s
GROUP BY step
ORDER BY min(started_at)
