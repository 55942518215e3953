-- Since version 7: when the listing that is under way, or the last one, was begun (what the run owns from then on was listed
-- by it) and under which token of the lease: a listing that was killed goes on as long as no other run has had the lease
-- since. And how long the last pass over the rows took that a proof rests on: a proof is no older than some of these.
ALTER TABLE s3_migration.run
ADD COLUMN IF NOT EXISTS listing_began_at timestamptz,
ADD COLUMN IF NOT EXISTS listing_token bigint,
ADD COLUMN IF NOT EXISTS rows_asked_for interval
