-- Since version 6: the copy was proven to hold the bytes of its original, by checksum or byte by byte (verify: checksum). Of the
-- very pair of ETags: a new copy is not. A copy of other bytes is `rewritten`, so that it is made anew.
ALTER TABLE s3_migration.ledger ADD COLUMN IF NOT EXISTS bytes_proven boolean NOT NULL DEFAULT false
