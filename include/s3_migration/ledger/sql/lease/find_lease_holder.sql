SELECT r.run_id, r.mode, m.lease_until, coalesce(m.lease_until >= now(), false) AS at_work
FROM s3_migration.migration AS m
JOIN s3_migration.run AS r ON r.run_no = m.lease_run_no
WHERE m.migration_id = %(migration_id)s
