-- Of the last run that changed anything.
SELECT mode FROM s3_migration.run
WHERE migration_id = %(migration_id)s AND mode <> 'plan' AND listed_at IS NOT NULL AND run_id <> %(run_id)s
ORDER BY run_no DESC
LIMIT 1
