-- Another task of the run that has it. No lock that a batch in flight would hold up.
UPDATE s3_migration.migration
SET lease_until = greatest(lease_until, now() + %(ttl)s)
WHERE migration_id = %(migration_id)s AND lease_run_no = %(run_no)s
RETURNING lease_token
