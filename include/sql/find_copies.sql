-- The keys to look at on both sides.
SELECT legacy_key FROM s3_migration.ledger
WHERE migration_id = %(migration_id)s AND run_no = %(run_no)s AND copied_at IS NOT NULL
