-- Of the run that changed anything last: one that waited for its turn has a smaller number than who worked before it.
SELECT mode FROM s3_migration.run
WHERE migration_id = %(migration_id)s AND mode <> 'plan' AND listed_at IS NOT NULL AND run_id <> %(run_id)s
ORDER BY listed_at DESC, run_no DESC
LIMIT 1
