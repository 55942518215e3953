-- How long until the last object of a piece that waits may be deleted.
SELECT max({grace_ends}) - clock_timestamp()
FROM s3_migration.ledger AS l
JOIN s3_migration.run AS r ON r.run_no = l.run_no
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
    AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
    AND {in_legacy} AND {has_copy} AND l.problem IS NULL
