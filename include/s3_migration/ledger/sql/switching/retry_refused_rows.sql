-- The task was cleared: what could not be switched is tried again.
UPDATE s3_migration.ledger SET problem = NULL, error_code = NULL, detail = NULL
WHERE migration_id = %(migration_id)s AND run_no = %(run_no)s AND problem IN ({states_unswitched})
