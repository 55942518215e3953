-- A row that the database will not let us switch keeps naming the legacy path.
UPDATE s3_migration.ledger
SET problem = 'row_refused', error_code = %(error_code)s, copy_missing = false, detail = %(detail)s
WHERE migration_id = %(migration_id)s AND run_no = %(run_no)s AND legacy_key = %(key)s
