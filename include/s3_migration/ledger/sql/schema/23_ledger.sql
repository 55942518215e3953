-- The ledger: one row an object, for as long as the migration lives. ETags stand without quotes.
-- No foreign keys: checked row by row, one made adding a listing twice as slow, with a queue of all rows in memory.
CREATE TABLE IF NOT EXISTS s3_migration.ledger (
    migration_id smallint NOT NULL,
    legacy_key text COLLATE "C" NOT NULL,
    -- What legacy held when it was last listed, or looked at. Null where it never held the object (a row named it).
    legacy_size bigint, -- bytes
    legacy_etag text,
    legacy_modified timestamptz, -- legacy's clock
    -- The run that owns the object: it judges it, and is red or green for it. Changed by adopt.sql and reclaim.sql.
    run_no bigint NOT NULL,
    -- The pair of ETags: of the legacy object that was copied, and of the copy as production answered, which differs for
    -- multipart and KMS copies. The copy is current while copied_etag = legacy_etag. Without copied_etag production's
    -- object is not ours: a row was only pointed at it.
    copied_etag text,
    production_etag text,
    production_modified timestamptz, -- production's clock: when the copy was last modified
    -- The database's clock: the switch of the object's rows by an earlier run, or after the run's own; null: run.switched_at
    -- counts. The grace period begins here.
    switched_at timestamptz,
    legacy_gone_at timestamptz, -- the database's clock: when legacy was seen or made empty of it
    problem text, -- one of model/states.py, or null: the state follows from the other columns (view state)
    detail text, -- for people only
    PRIMARY KEY (migration_id, legacy_key)
)
