-- One row a migration: its lease (one run at a time), and whether its deletion is stopped.
CREATE TABLE IF NOT EXISTS s3_migration.migration (
    migration_id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    lease_run_no bigint,
    lease_token bigint NOT NULL DEFAULT 0, -- fencing: rises whenever another run takes the lease
    lease_until timestamptz,
    deletion_stopped text -- the reason, while no run may delete: include/s3_migration/commands/stop_deletion.py
)
