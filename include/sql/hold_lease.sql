-- The run is about to sleep: its lease lasts until it wakes.
UPDATE s3_migration.migration
SET lease_until = greatest(lease_until, %(until)s)
WHERE migration_id = %(migration_id)s AND lease_run_no = %(run_no)s AND lease_token = %(token)s
