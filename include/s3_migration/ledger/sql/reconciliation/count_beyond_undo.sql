-- Copied, and gone from legacy: what an undo cannot give back.
SELECT count(*) FROM s3_migration.ledger
WHERE migration_id = %(migration_id)s AND legacy_gone_at IS NOT NULL AND copied_etag IS NOT NULL
