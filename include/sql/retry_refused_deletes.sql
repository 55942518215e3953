-- The task was cleared: what the store refused to delete is tried again.
UPDATE s3_migration.ledger SET kind = NULL, detail = NULL
WHERE
    migration_id = %(migration_id)s AND run_no = %(run_no)s
    AND legacy_key >= %(first_key)s AND legacy_key <= %(last_key)s
    AND kind = 'failed' AND copied_at IS NOT NULL AND copied_etag = legacy_etag AND gone_at IS NULL
