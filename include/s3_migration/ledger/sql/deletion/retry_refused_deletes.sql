-- The task was cleared: what the store refused to delete is tried again.
UPDATE s3_migration.ledger SET problem = NULL, detail = NULL
WHERE
    migration_id = %(migration_id)s AND run_no = %(run_no)s
    AND legacy_key >= %(first_key)s AND legacy_key <= %(last_key)s
    AND problem = 'failed' AND production_modified IS NOT NULL AND copied_etag = legacy_etag AND legacy_gone_at IS NULL
