-- The same of what legacy should still hold: what is finished is not read.
SELECT l.legacy_key, false AS gone
FROM s3_migration.ledger AS l
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND {has_copy} AND {in_legacy}
    AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
ORDER BY l.legacy_key
