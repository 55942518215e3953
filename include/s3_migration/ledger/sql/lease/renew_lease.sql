UPDATE s3_migration.migration
SET lease_until = greatest(lease_until, now() + %(ttl)s)
WHERE migration_id = %(migration_id)s AND lease_run_no = %(run_no)s AND lease_token = %(token)s
