-- Since version 7: how far a walk over a run's objects, in the order of keys, has come: a task that was killed goes on there.
-- Chunk 0 is the whole run. What was begun before the run was listed last is of other chunks, and no place any more.
CREATE TABLE IF NOT EXISTS s3_migration.place (
    run_no bigint NOT NULL REFERENCES s3_migration.run,
    step text NOT NULL,
    chunk integer NOT NULL,
    after_key text COLLATE "C" NOT NULL,
    ended boolean NOT NULL DEFAULT false,
    begun_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_no, step, chunk)
)
