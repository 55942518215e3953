-- Since version 8: how fast the run is to go, as a person set it while it was at work; null: as declared.
ALTER TABLE s3_migration.run
ADD COLUMN IF NOT EXISTS requests_in_flight integer CHECK (requests_in_flight BETWEEN 1 AND 1000),
ADD COLUMN IF NOT EXISTS parallel_chunks integer CHECK (parallel_chunks BETWEEN 1 AND 256),
ADD COLUMN IF NOT EXISTS max_lag interval CHECK (max_lag > '0')
