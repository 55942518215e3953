-- Which set-up this database has seen, so that a later one can change what is there.
CREATE TABLE IF NOT EXISTS s3_migration.schema_version (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
)
