-- Objects a second at work (as in find_timings.sql) of the latest run that copied enough to tell. A mean over runs would mix in
-- settings, stores and networks that are no more. Newest first, one run at a time: it stops at the first that will do.
SELECT c.copied / w.seconds AS objects_per_second
FROM s3_migration.run AS r
CROSS JOIN LATERAL (
    SELECT coalesce(sum(t.number), 0)::double precision AS copied
    FROM s3_migration.tally AS t
    WHERE t.run_no = r.run_no AND t.step = 'copy' AND t.what = 'copied'
) AS c
CROSS JOIN LATERAL (
    SELECT
        sum(extract(epoch FROM greatest(t.ended_at - greatest(t.started_at, t.covered), interval '0')))::double precision
            AS seconds
    FROM (
        SELECT
            started_at,
            ended_at,
            max(ended_at) OVER (
                ORDER BY started_at, chunk ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS covered
        FROM s3_migration.timing
        WHERE run_no = r.run_no AND step = 'copy' AND ended_at IS NOT NULL
    ) AS t
) AS w
WHERE r.migration_id = %(migration_id)s AND c.copied >= %(enough)s AND w.seconds > 0
ORDER BY r.run_no DESC
LIMIT 1
