-- Since version 5: the copy is to be made anew: legacy holds the content that was copied, written again since the copy, so that its properties may differ.
ALTER TABLE s3_migration.ledger ADD COLUMN IF NOT EXISTS rewritten boolean NOT NULL DEFAULT false
