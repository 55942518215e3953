-- The lease may be moved. Making a migration, and its brake, are an administrator's.
GRANT SELECT, UPDATE (lease_run_no, lease_token, lease_until) ON s3_migration.migration TO {role}
