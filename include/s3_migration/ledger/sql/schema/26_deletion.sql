-- Since version 4: one row a batch of deletions that may be under way, from before its requests are sent until all of them
-- are answered. Who died meanwhile leaves it: what it asked for cannot take effect after deleting_until.
CREATE TABLE IF NOT EXISTS s3_migration.deletion (
    deletion_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration_id smallint NOT NULL REFERENCES s3_migration.migration,
    run_no bigint NOT NULL REFERENCES s3_migration.run,
    chunk integer NOT NULL, -- 0: the whole run
    deleting_until timestamptz NOT NULL -- the database's clock
)
