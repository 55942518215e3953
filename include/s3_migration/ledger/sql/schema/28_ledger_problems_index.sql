-- Since version 4: what is red stays red, also where legacy is empty by now; each night finds it by this, small as it is.
CREATE INDEX IF NOT EXISTS ledger_problems ON s3_migration.ledger (migration_id, legacy_key)
WHERE problem IN ({problems})
