-- Since version 6: whether the copy was proven to hold the bytes of its original, by checksum or byte by byte (verify:
-- checksum); null: it was not asked. Of the very pair of ETags: a new copy makes it null.
ALTER TABLE s3_migration.ledger ADD COLUMN IF NOT EXISTS same_bytes boolean
