-- Whether legacy holds an object of a range, or one has a problem.
SELECT
    EXISTS (
        SELECT FROM s3_migration.ledger AS l
        WHERE
            l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND {in_legacy}
            AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
    )
    OR EXISTS (
        SELECT FROM s3_migration.ledger AS l
        WHERE
            l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.problem IN ({problems})
            AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
    )
