-- How long until the last object of the run that waits may be deleted.
SELECT max(coalesce(l.switched_at, r.switched_at) + r.grace_period) - clock_timestamp()
FROM s3_migration.ledger AS l
JOIN s3_migration.run AS r ON r.run_no = l.run_no
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
    AND l.legacy_gone_at IS NULL AND l.problem IS NULL AND l.production_modified IS NOT NULL
