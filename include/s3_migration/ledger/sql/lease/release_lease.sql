UPDATE s3_migration.migration
SET lease_run_no = NULL, lease_until = NULL
WHERE migration_id = %(migration_id)s AND lease_run_no = %(run_no)s AND lease_token = %(token)s
