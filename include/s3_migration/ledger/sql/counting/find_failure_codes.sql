SELECT DISTINCT l.error_code AS code
FROM s3_migration.ledger AS l
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
    AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
    AND l.problem = 'failed'
    AND NOT EXISTS (
        SELECT FROM s3_migration.acknowledged AS a
        WHERE a.migration_id = l.migration_id AND a.legacy_key = l.legacy_key AND a.problem = l.problem
    )
