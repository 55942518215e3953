-- One row a run. A step's time is set once the step is done, whatever it found.
CREATE TABLE IF NOT EXISTS s3_migration.run (
    run_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration_id smallint NOT NULL REFERENCES s3_migration.migration,
    run_id text NOT NULL, -- Airflow's
    mode text NOT NULL,
    object_limit bigint,
    grace_period interval NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    listed_at timestamptz,
    switched_at timestamptz,
    verified_at timestamptz, -- when the proof was begun to be taken: its age counts from here
    damaged bigint, -- what the verification found damaged: more than none stops all deletion
    finished_at timestamptz,
    account jsonb,
    UNIQUE (migration_id, run_id)
)
