-- The run's copies of a piece, and whether legacy should still hold them.
SELECT l.legacy_key, l.legacy_gone_at IS NOT NULL AS gone
FROM s3_migration.ledger AS l
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND {has_copy}
    AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
ORDER BY l.legacy_key
