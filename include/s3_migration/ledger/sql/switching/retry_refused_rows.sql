-- The task was cleared: what the database refused to switch is tried again.
UPDATE s3_migration.ledger SET problem = NULL, detail = NULL
WHERE migration_id = %(migration_id)s AND run_no = %(run_no)s AND problem = 'still_referenced'
