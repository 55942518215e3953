-- What mapped tasks can do something about.
SELECT count(*) FROM s3_migration.ledger AS l
WHERE l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND {concerns_chunks}
