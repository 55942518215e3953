-- Problems that a person knows of and has given a reason for: they turn no run red. Of that very problem only.
CREATE TABLE IF NOT EXISTS s3_migration.acknowledged (
    migration_id smallint NOT NULL REFERENCES s3_migration.migration,
    legacy_key text COLLATE "C" NOT NULL,
    problem text NOT NULL,
    reason text NOT NULL,
    run_no bigint NOT NULL REFERENCES s3_migration.run, -- that was told
    acknowledged_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (migration_id, legacy_key)
)
