-- Since version 3: what text `detail` was read for. error_code is the store's, of failed, or the SQLSTATE, of row_refused.
-- copy_missing: of the copy that the columns tell of, production was seen to hold nothing.
ALTER TABLE s3_migration.ledger
ADD COLUMN IF NOT EXISTS error_code text,
ADD COLUMN IF NOT EXISTS copy_missing boolean NOT NULL DEFAULT false
