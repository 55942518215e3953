-- Since version 7: what legacy still holds, in the order of keys. A night over a hundred million finished objects reads what
-- is left, and not them.
CREATE INDEX IF NOT EXISTS ledger_in_legacy ON s3_migration.ledger (migration_id, legacy_key) WHERE legacy_gone_at IS NULL
