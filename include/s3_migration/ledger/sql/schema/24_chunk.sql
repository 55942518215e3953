-- The key range of each mapped task of a run; both bounds belong to it.
CREATE TABLE IF NOT EXISTS s3_migration.chunk (
    run_no bigint NOT NULL REFERENCES s3_migration.run,
    chunk integer NOT NULL,
    first_key text COLLATE "C" NOT NULL,
    last_key text COLLATE "C" NOT NULL,
    objects bigint NOT NULL,
    PRIMARY KEY (run_no, chunk)
)
