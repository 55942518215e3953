UPDATE s3_migration.migration AS m
SET lease_run_no = NULL, lease_until = NULL
FROM s3_migration.run AS r
WHERE
    m.name = %(name)s AND r.migration_id = m.migration_id AND r.run_id = %(run_id)s AND m.lease_run_no = r.run_no
