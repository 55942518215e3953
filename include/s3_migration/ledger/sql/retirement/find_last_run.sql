-- Of the runs that changed anything, or were to.
SELECT
    run_id,
    mode,
    object_limit IS NOT NULL OR window_start IS NOT NULL AS partial,
    coalesce(finished_at > listed_at, false) AS ended
FROM s3_migration.run
WHERE migration_id = %(migration_id)s AND mode <> 'plan'
ORDER BY run_no DESC
LIMIT 1
