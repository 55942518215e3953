-- Damage found after the verification stops all deletion just as well.
UPDATE s3_migration.run SET damaged = damaged + 1
WHERE
    run_no = %(run_no)s
    AND EXISTS (
        SELECT FROM s3_migration.ledger AS l
        WHERE
            l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
            AND l.problem = 'damaged' AND l.legacy_key = ANY(%(keys)s)
            AND NOT EXISTS (
                SELECT FROM s3_migration.acknowledged AS a
                WHERE a.migration_id = l.migration_id AND a.legacy_key = l.legacy_key AND a.problem = l.problem
            )
    )
