-- Objects a second of the latest run that copied enough to tell, from its first chunk's start to its last one's end. A
-- mean over runs would mix in settings, stores and networks that are no more. Newest first, one run at a time: it stops
-- at the first that will do. A chunk that was cleared much later makes its run look slow; the forecast is then too long.
SELECT c.copied / w.seconds AS objects_per_second
FROM s3_migration.run AS r
CROSS JOIN LATERAL (
    SELECT coalesce(sum(t.number), 0)::double precision AS copied
    FROM s3_migration.tally AS t
    WHERE t.run_no = r.run_no AND t.step = 'copy' AND t.what = 'copied'
) AS c
CROSS JOIN LATERAL (
    SELECT extract(epoch FROM max(t.ended_at) - min(t.started_at))::double precision AS seconds
    FROM s3_migration.timing AS t
    WHERE t.run_no = r.run_no AND t.step = 'copy'
) AS w
WHERE r.migration_id = %(migration_id)s AND c.copied >= %(enough)s AND w.seconds > 0
ORDER BY r.run_no DESC
LIMIT 1
