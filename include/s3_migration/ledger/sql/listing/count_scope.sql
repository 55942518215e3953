-- What mapped tasks can do something about.
SELECT count(*) FROM s3_migration.ledger
WHERE
    migration_id = %(migration_id)s AND run_no = %(run_no)s
    AND legacy_gone_at IS NULL AND problem IS DISTINCT FROM 'superseded'
