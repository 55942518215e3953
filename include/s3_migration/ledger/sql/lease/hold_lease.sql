-- The run is about to sleep: its lease lasts until it wakes. By the one clock that all workers share.
UPDATE s3_migration.migration
SET lease_until = greatest(lease_until, now() + %(pause)s)
WHERE migration_id = %(migration_id)s AND lease_run_no = %(run_no)s AND lease_token = %(token)s
