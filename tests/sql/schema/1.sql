-- Progress lives beside the data: switching rows is a join with it.
CREATE SCHEMA IF NOT EXISTS s3_migration;

-- Which set-up this database has seen, so that a later one can change what is there.
CREATE TABLE IF NOT EXISTS s3_migration.schema_version (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- One row a migration: its lease (one run at a time) and its brake.
CREATE TABLE IF NOT EXISTS s3_migration.migration (
    migration_id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    lease_run_no bigint,
    lease_token bigint NOT NULL DEFAULT 0, -- fencing: rises whenever another run takes the lease
    lease_until timestamptz,
    deletion_stopped text -- the reason, while no run may delete; set and cleared by hand
);

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
);

-- The ledger: one row an object, for as long as the migration lives. ETags stand without quotes.
-- No foreign keys: checked row by row, one made adding a listing twice as slow, with a queue of all rows in memory.
CREATE TABLE IF NOT EXISTS s3_migration.ledger (
    migration_id smallint NOT NULL,
    legacy_key text COLLATE "C" NOT NULL,
    legacy_size bigint, -- bytes; null where legacy never held the object
    legacy_etag text,
    legacy_modified timestamptz,
    run_no bigint NOT NULL, -- the run that owns it now
    copied_etag text, -- the legacy ETag that production holds a copy of
    production_etag text, -- as the copy answered: differs for multipart and KMS copies
    copied_at timestamptz, -- production's own last-modified time of the copy
    switched_at timestamptz, -- by an earlier run; else the run's own time counts
    gone_at timestamptz, -- when legacy was seen or made empty
    kind text CHECK (
        kind IN ('failed', 'conflict', 'damaged', 'changed', 'named', 'superseded', 'withdrawn', 'dangling')
    ),
    detail text,
    PRIMARY KEY (migration_id, legacy_key)
);

-- The key range of each mapped task of a run; both bounds belong to it.
CREATE TABLE IF NOT EXISTS s3_migration.chunk (
    run_no bigint NOT NULL REFERENCES s3_migration.run,
    chunk integer NOT NULL,
    first_key text COLLATE "C" NOT NULL,
    last_key text COLLATE "C" NOT NULL,
    objects bigint NOT NULL,
    PRIMARY KEY (run_no, chunk)
);

-- What was done, counted in the transaction that did it. Chunk 0 is the whole run.
CREATE TABLE IF NOT EXISTS s3_migration.tally (
    run_no bigint NOT NULL REFERENCES s3_migration.run,
    step text NOT NULL,
    chunk integer NOT NULL,
    what text NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (run_no, step, chunk, what)
);

-- When each step's latest try began and ended. Chunk 0 is the whole run.
CREATE TABLE IF NOT EXISTS s3_migration.timing (
    run_no bigint NOT NULL REFERENCES s3_migration.run,
    step text NOT NULL,
    chunk integer NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (run_no, step, chunk)
);

-- Every object in exactly one state (include/kinds.py). Grace is held against the proof: what comes due after the
-- verification waits for the next one.
CREATE OR REPLACE VIEW s3_migration.state AS
SELECT
    l.migration_id,
    l.run_no,
    l.legacy_key,
    l.legacy_size,
    CASE
        WHEN l.kind IS NOT NULL THEN l.kind
        WHEN l.copied_at IS NULL THEN 'listed'
        WHEN l.gone_at IS NOT NULL THEN 'moved'
        WHEN l.copied_etag IS DISTINCT FROM l.legacy_etag THEN 'listed'
        WHEN
            r.mode = 'move'
            AND coalesce(l.switched_at, r.switched_at) + r.grace_period > coalesce(r.verified_at, now())
            THEN 'waiting'
        ELSE 'copied'
    END AS state,
    l.detail
FROM s3_migration.ledger AS l
JOIN s3_migration.run AS r ON r.run_no = l.run_no;

-- A night with nothing to do must not read what a hundred million finished objects left behind: most statements ask
-- for one run's rows, or for what is not gone yet. A few kilobytes for a million rows, and nothing for an update to do.
CREATE INDEX IF NOT EXISTS ledger_runs ON s3_migration.ledger
USING brin (run_no, gone_at) WITH (pages_per_range = 32, autosummarize = on);

INSERT INTO s3_migration.schema_version (version) VALUES (1) ON CONFLICT DO NOTHING;

-- The declared migration gets its row; the role may not make one up.
INSERT INTO s3_migration.migration (name) VALUES ('avatars') ON CONFLICT DO NOTHING;

-- TEMPORARY: each listing is COPYed into a scratch table, gone with the session.
GRANT CONNECT, TEMPORARY ON DATABASE "proddatabase" TO "migrator";

GRANT SELECT ON "public"."avatars" TO "migrator";

-- The one column, and no other.
GRANT UPDATE ("path") ON "public"."avatars" TO "migrator";

GRANT USAGE ON SCHEMA s3_migration TO "migrator";

GRANT SELECT, INSERT, UPDATE ON s3_migration.ledger, s3_migration.run, s3_migration.tally, s3_migration.timing TO "migrator";

-- A listing that is taken again draws its chunks anew.
GRANT SELECT, INSERT, DELETE ON s3_migration.chunk TO "migrator";

-- The lease may be moved. Making a migration, and its brake, are an administrator's.
GRANT SELECT, UPDATE (lease_run_no, lease_token, lease_until) ON s3_migration.migration TO "migrator";

GRANT SELECT ON s3_migration.schema_version, s3_migration.state TO "migrator";

GRANT USAGE ON SCHEMA "public" TO "migrator";

