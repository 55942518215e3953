-- Since version 3: what text `detail` was read for.
ALTER TABLE s3_migration.ledger
ADD COLUMN IF NOT EXISTS error_code text, -- the store's, of failed; the SQLSTATE, of row_refused
ADD COLUMN IF NOT EXISTS copy_missing boolean NOT NULL DEFAULT false -- where the columns tell of a copy production holds nothing
