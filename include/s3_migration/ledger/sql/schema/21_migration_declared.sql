-- Since version 5: what the migration was declared with when a run first checked it, and keeps (model/identity.py).
ALTER TABLE s3_migration.migration ADD COLUMN IF NOT EXISTS declared jsonb
