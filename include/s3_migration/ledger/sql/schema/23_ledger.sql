-- The ledger: one row an object, for as long as the migration lives. ETags stand without quotes.
-- No foreign keys: checked row by row, one made adding a listing twice as slow, with a queue of all rows in memory.
CREATE TABLE IF NOT EXISTS s3_migration.ledger (
    migration_id smallint NOT NULL,
    legacy_key text COLLATE "C" NOT NULL,
    legacy_size bigint, -- bytes; null where legacy never held the object
    legacy_etag text,
    legacy_modified timestamptz,
    run_no bigint NOT NULL, -- the run that owns it now
    copied_etag text, -- the legacy ETag that production holds a copy of
    production_etag text, -- as the copy answered: differs for multipart and KMS copies
    production_modified timestamptz, -- production's own last-modified time of the copy
    switched_at timestamptz, -- by an earlier run; else the run's own time counts
    legacy_gone_at timestamptz, -- when legacy was seen or made empty
    problem text CHECK (
        problem IN ('failed', 'conflict', 'damaged', 'changed', 'still_referenced', 'superseded', 'withdrawn', 'dangling')
    ),
    detail text,
    PRIMARY KEY (migration_id, legacy_key)
)
