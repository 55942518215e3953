-- What was done, counted in the transaction that did it. Chunk 0 is the whole run.
CREATE TABLE IF NOT EXISTS s3_migration.tally (
    run_no bigint NOT NULL REFERENCES s3_migration.run,
    step text NOT NULL,
    chunk integer NOT NULL,
    what text NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (run_no, step, chunk, what)
)
