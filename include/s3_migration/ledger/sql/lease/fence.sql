-- Nothing when another run has the lease by now. Held to the end of the batch: a taker waits (take_lease.sql),
-- a renewal does not.
SELECT 1 FROM s3_migration.migration
WHERE migration_id = %(migration_id)s AND lease_run_no = %(run_no)s AND lease_token = %(token)s
FOR KEY SHARE
