-- Since version 4: since when the run owns the object, by the database's clock. A proof, a switch and a grace period of the
-- run count for it only from here on: what another run did in between, an undo say, they know nothing of.
ALTER TABLE s3_migration.ledger ADD COLUMN IF NOT EXISTS owned_since timestamptz NOT NULL DEFAULT now()
