-- The task was cleared: what the store refused to delete is tried again.
UPDATE s3_migration.ledger AS l SET problem = NULL, error_code = NULL, detail = NULL
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
    AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
    AND l.problem = 'failed' AND {would_be_deleted}
