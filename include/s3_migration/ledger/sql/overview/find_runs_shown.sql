-- The last runs of a migration.
SELECT
    r.run_id,
    r.mode,
    r.object_limit IS NOT NULL OR r.window_start IS NOT NULL AS partial,
    r.started_at,
    CASE WHEN r.finished_at >= r.listed_at THEN r.finished_at END AS ended_at,
    r.account
FROM s3_migration.run AS r
WHERE r.migration_id = %(migration_id)s
ORDER BY r.run_no DESC
LIMIT %(limit)s
