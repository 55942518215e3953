-- What tells whether the ledger is as it was: whoever works on it has taken the lease, and every run has its row.
SELECT m.lease_token, (
    SELECT max(r.started_at) FROM s3_migration.run AS r WHERE r.migration_id = m.migration_id
) AS newest_run
FROM s3_migration.migration AS m
WHERE m.migration_id = %(migration_id)s
