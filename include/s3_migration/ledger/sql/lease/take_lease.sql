-- The lease is free, or was left to lapse. The row is locked first: a batch in flight under the lease of another run
-- (fence.sql) is waited for, so that it ends before we begin.
UPDATE s3_migration.migration AS m
SET lease_token = m.lease_token + 1, lease_run_no = %(run_no)s, lease_until = now() + %(ttl)s
FROM (
    SELECT migration_id FROM s3_migration.migration WHERE migration_id = %(migration_id)s FOR UPDATE
) AS locked
WHERE m.migration_id = locked.migration_id AND (m.lease_run_no IS NULL OR m.lease_until < now())
RETURNING m.lease_token
