-- Rows name these again since the proof: once they are switched, their grace period begins anew.
UPDATE s3_migration.ledger SET switched_at = clock_timestamp()
WHERE migration_id = %(migration_id)s AND run_no = %(run_no)s AND legacy_key = ANY(%(keys)s)
