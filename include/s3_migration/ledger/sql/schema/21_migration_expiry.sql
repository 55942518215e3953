-- Since version 4: whether the store was seen to refuse a request that comes after its expiry (check). Where it does not,
-- what was asked of it is waited for longer.
ALTER TABLE s3_migration.migration ADD COLUMN IF NOT EXISTS requests_expire boolean NOT NULL DEFAULT false
