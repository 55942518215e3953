-- Copies of a piece that a later look can find otherwise: what is due to be deleted, and what has a problem.
SELECT l.legacy_key, l.legacy_gone_at IS NOT NULL AS gone
FROM s3_migration.ledger AS l
JOIN s3_migration.run AS r ON r.run_no = l.run_no
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND {has_copy}
    AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
    AND {in_legacy} AND l.problem IS NULL AND {state} = 'copied'
UNION ALL
SELECT l.legacy_key, l.legacy_gone_at IS NOT NULL
FROM s3_migration.ledger AS l
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND {has_copy}
    AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
    AND l.problem IN ({problems})
ORDER BY legacy_key
