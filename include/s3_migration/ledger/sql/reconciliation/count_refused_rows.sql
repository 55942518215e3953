-- Named because the database refuses to switch the row, not because the application named it again.
SELECT count(*) FROM s3_migration.ledger
WHERE migration_id = %(migration_id)s AND run_no = %(run_no)s AND problem = 'still_referenced' AND detail IS NOT NULL
