-- Whatever its mode. One that was cleared and listed again has not ended again yet.
SELECT
    run_id,
    mode,
    object_limit IS NOT NULL OR window_start IS NOT NULL AS partial,
    started_at,
    CASE WHEN finished_at > listed_at THEN finished_at END AS ended_at
FROM s3_migration.run
WHERE migration_id = %(migration_id)s
ORDER BY run_no DESC
LIMIT 1
