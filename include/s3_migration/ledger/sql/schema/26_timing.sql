-- When each step's latest try began and ended. Chunk 0 is the whole run.
CREATE TABLE IF NOT EXISTS s3_migration.timing (
    run_no bigint NOT NULL REFERENCES s3_migration.run,
    step text NOT NULL,
    chunk integer NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (run_no, step, chunk)
)
