-- Damage found after the verification stops all deletion just as well.
UPDATE s3_migration.run SET damaged = damaged + 1
WHERE
    run_no = %(run_no)s
    AND EXISTS (
        SELECT FROM s3_migration.ledger
        WHERE
            migration_id = %(migration_id)s AND run_no = %(run_no)s
            AND kind = 'damaged' AND legacy_key = ANY(%(keys)s)
    )
