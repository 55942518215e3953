\set ON_ERROR_STOP on
BEGIN;

-- Progress lives beside the data: switching rows is a join with it.
CREATE SCHEMA IF NOT EXISTS s3_migration;

-- Which set-up this database has seen, so that a later one can change what is there.
CREATE TABLE IF NOT EXISTS s3_migration.schema_version (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- A program that is older than the database would set it back: nothing is changed then.
DO $$
BEGIN
    IF (SELECT max(version) FROM s3_migration.schema_version) > 9 THEN
        RAISE EXCEPTION USING
            MESSAGE = 'this set-up is of version 9, and schema s3_migration of a newer one: nothing was changed',
            HINT = 'print the set-up with the newer version of the project, which has been at work here';
    END IF;
END
$$;

-- Since version 3 the columns say what they hold. Nothing where they do already, and in a new database.
DO $$
DECLARE
    renamed record;
BEGIN
    FOR renamed IN
        SELECT r.*
        FROM (VALUES
            ('ledger', 'kind', 'problem'),
            ('ledger', 'copied_at', 'production_modified'),
            ('ledger', 'gone_at', 'legacy_gone_at'),
            ('run', 'removes_copies', 'remove_copies'),
            ('acknowledged', 'kind', 'problem')
        ) AS r (in_table, old_name, new_name)
        JOIN pg_attribute AS a
            ON a.attrelid = to_regclass('s3_migration.' || r.in_table) AND a.attname = r.old_name AND NOT a.attisdropped
    LOOP
        EXECUTE 'ALTER TABLE s3_migration.' || renamed.in_table
            || ' RENAME COLUMN ' || renamed.old_name || ' TO ' || renamed.new_name;
    END LOOP;
END
$$;

-- One row a migration: its lease (one run at a time), and whether its deletion is stopped.
CREATE TABLE IF NOT EXISTS s3_migration.migration (
    migration_id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    lease_run_no bigint,
    lease_token bigint NOT NULL DEFAULT 0, -- fencing: rises whenever another run takes the lease
    lease_until timestamptz,
    deletion_stopped text -- the reason, while no run may delete: include/s3_migration/commands/stop_deletion.py
);

-- Since version 5: what the migration was declared with when a run first checked it, and keeps (model/identity.py).
ALTER TABLE s3_migration.migration ADD COLUMN IF NOT EXISTS declared jsonb;

-- Since version 4: whether the store was seen to refuse a request that comes after its expiry (check). Where it does not,
-- what was asked of it is waited for longer.
ALTER TABLE s3_migration.migration ADD COLUMN IF NOT EXISTS requests_expire boolean NOT NULL DEFAULT false;

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

-- Since version 6: whose word the deletions of a run need, as declared when it was checked (null: nobody's). When a person
-- was last asked; whether it was approved (null: nobody has answered), when (Airflow's clock) and by whom. An approval is
-- for what the run has owned since before it was asked for.
ALTER TABLE s3_migration.run
ADD COLUMN IF NOT EXISTS approve_deletion text CHECK (approve_deletion IN ('first', 'every')),
ADD COLUMN IF NOT EXISTS approval_asked_at timestamptz,
ADD COLUMN IF NOT EXISTS approved boolean,
ADD COLUMN IF NOT EXISTS answered_at timestamptz,
ADD COLUMN IF NOT EXISTS answered_by text;

-- Since version 7: when the listing that is under way, or the last one, was begun (what the run owns from then on was listed
-- by it) and under which token of the lease: a listing that was killed goes on as long as no other run has had the lease
-- since. And how long the last pass over the rows took that a proof rests on: a proof is no older than some of these.
ALTER TABLE s3_migration.run
ADD COLUMN IF NOT EXISTS listing_began_at timestamptz,
ADD COLUMN IF NOT EXISTS listing_token bigint,
ADD COLUMN IF NOT EXISTS rows_asked_for interval;

-- Since version 8: how fast the run is to go, as a person set it while it was at work; null: as declared.
ALTER TABLE s3_migration.run
ADD COLUMN IF NOT EXISTS requests_in_flight integer CHECK (requests_in_flight BETWEEN 1 AND 1000),
ADD COLUMN IF NOT EXISTS parallel_chunks integer CHECK (parallel_chunks BETWEEN 1 AND 256),
ADD COLUMN IF NOT EXISTS max_lag interval CHECK (max_lag > '0');

-- Since version 2: what a run was asked for beyond its mode. A window takes only what was last modified from its start
-- to before its end (both null: whatever its age); remove_copies is of an undo that empties production of our copies.
ALTER TABLE s3_migration.run
ADD COLUMN IF NOT EXISTS window_start timestamptz,
ADD COLUMN IF NOT EXISTS window_end timestamptz,
ADD COLUMN IF NOT EXISTS remove_copies boolean NOT NULL DEFAULT false;

-- The ledger: one row an object, for as long as the migration lives. ETags stand without quotes.
-- No foreign keys: checked row by row, one made adding a listing twice as slow, with a queue of all rows in memory.
CREATE TABLE IF NOT EXISTS s3_migration.ledger (
    migration_id smallint NOT NULL,
    legacy_key text COLLATE "C" NOT NULL,
    -- What legacy held when it was last listed, or looked at. Null where it never held the object (a row named it).
    legacy_size bigint, -- bytes
    legacy_etag text,
    legacy_modified timestamptz, -- legacy's clock
    -- The run that owns the object: it judges it, and is red or green for it. Changed by adopt.sql and reclaim.sql.
    run_no bigint NOT NULL,
    -- The pair of ETags: of the legacy object that was copied, and of the copy as production answered, which differs for
    -- multipart and KMS copies. The copy is current while copied_etag = legacy_etag. Without copied_etag production's
    -- object is not ours: a row was only pointed at it.
    copied_etag text,
    production_etag text,
    production_modified timestamptz, -- production's clock: when the copy was last modified
    -- The database's clock: the switch of the object's rows by an earlier run, or after the run's own; null: run.switched_at
    -- counts. The grace period begins here.
    switched_at timestamptz,
    legacy_gone_at timestamptz, -- the database's clock: when legacy was seen or made empty of it
    problem text, -- one of model/states.py, or null: the state follows from the other columns (view state)
    detail text, -- for people only
    PRIMARY KEY (migration_id, legacy_key)
);

-- Since version 6: the copy was proven to hold the bytes of its original, by checksum or byte by byte (verify: checksum). Of the
-- very pair of ETags: a new copy is not. A copy of other bytes is `rewritten`, so that it is made anew.
ALTER TABLE s3_migration.ledger ADD COLUMN IF NOT EXISTS bytes_proven boolean NOT NULL DEFAULT false;

-- Since version 3: what text `detail` was read for. error_code is the store's, of failed, or the SQLSTATE, of row_refused.
-- copy_missing: of the copy that the columns tell of, production was seen to hold nothing.
ALTER TABLE s3_migration.ledger
ADD COLUMN IF NOT EXISTS error_code text,
ADD COLUMN IF NOT EXISTS copy_missing boolean NOT NULL DEFAULT false;

-- Since version 5 a problem can be misspelt: the rule and the index that list the problems are made again, below.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_constraint
        WHERE
            conrelid = 's3_migration.ledger'::regclass AND conname = 'ledger_problem_is_known'
            AND position('misspelt' IN pg_get_constraintdef(oid)) = 0
    ) THEN
        ALTER TABLE s3_migration.ledger DROP CONSTRAINT ledger_problem_is_known;
        DROP INDEX IF EXISTS s3_migration.ledger_problems;
    END IF;
END
$$;

-- Since version 4: since when the run owns the object, by the database's clock. A proof, a switch and a grace period of the
-- run count for it only from here on: what another run did in between, an undo say, they know nothing of.
ALTER TABLE s3_migration.ledger ADD COLUMN IF NOT EXISTS owned_since timestamptz NOT NULL DEFAULT now();

-- Since version 3 the code of an error and a missing copy are columns, which `detail` is read for once more; and what was
-- called named is still_referenced, or row_refused where it was the database that said no.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_constraint
        WHERE conrelid = 's3_migration.ledger'::regclass AND conname = 'ledger_kind_check'
    ) THEN
        ALTER TABLE s3_migration.ledger DROP CONSTRAINT ledger_kind_check;
        UPDATE s3_migration.ledger AS l
        SET
            problem = n.problem,
            error_code = CASE
                WHEN n.problem = 'row_refused' THEN coalesce(substring(l.detail FROM '^([0-9A-Z]{5}):'), 'XX000')
                WHEN n.problem = 'failed' AND l.detail ~ '^[0-9]+ tries, last ' THEN 'ConditionalRequestConflict'
                WHEN n.problem = 'failed' THEN coalesce(substring(l.detail FROM '^([A-Za-z0-9.]+):'), 'Unknown')
            END,
            copy_missing = n.problem IN ('damaged', 'superseded') AND l.production_modified IS NOT NULL
                AND coalesce(l.detail = 'production holds no object', false),
            detail = CASE WHEN n.problem <> 'still_referenced' THEN l.detail END
        FROM (
            SELECT
                o.migration_id, o.legacy_key,
                CASE
                    WHEN o.problem <> 'named' THEN o.problem
                    WHEN o.detail ~ '^[0-9A-Za-z]+: row not switched: ' THEN 'row_refused'
                    ELSE 'still_referenced'
                END AS problem
            FROM s3_migration.ledger AS o
            WHERE o.problem IS NOT NULL
        ) AS n
        WHERE l.migration_id = n.migration_id AND l.legacy_key = n.legacy_key;
        IF to_regclass('s3_migration.acknowledged') IS NOT NULL THEN
            UPDATE s3_migration.acknowledged AS a SET problem = l.problem
            FROM s3_migration.ledger AS l
            WHERE
                l.migration_id = a.migration_id AND l.legacy_key = a.legacy_key
                AND a.problem = 'named' AND l.problem IN ('still_referenced', 'row_refused');
        END IF;
    END IF;
END
$$;

-- Since version 5: the copy is to be made anew: legacy holds the content that was copied, written again since the copy, so that its properties may differ.
ALTER TABLE s3_migration.ledger ADD COLUMN IF NOT EXISTS rewritten boolean NOT NULL DEFAULT false;

-- What contradicts itself is refused. Each rule has a name that says what must be so.
DO $$
DECLARE
    rule record;
BEGIN
    FOR rule IN
        SELECT * FROM (VALUES
            ('ledger_problem_is_known', $rule$problem IN ('failed', 'conflict', 'damaged', 'changed', 'still_referenced', 'row_refused', 'misspelt', 'superseded', 'unreferenced', 'withdrawn', 'dangling')$rule$),
            ('ledger_code_of_refusals', $rule$(coalesce(problem, '') IN ('failed', 'row_refused')) = (error_code IS NOT NULL)$rule$),
            ('ledger_copy_has_etag_and_time', $rule$(production_modified IS NULL) = (production_etag IS NULL)$rule$),
            ('ledger_copied_is_in_production', $rule$copied_etag IS NULL OR production_modified IS NOT NULL$rule$),
            ('ledger_missing_is_a_copy', $rule$
                NOT copy_missing
                OR (production_modified IS NOT NULL AND coalesce(problem, '') IN ('damaged', 'superseded'))
            $rule$),
            ('ledger_in_legacy_has_etag', $rule$legacy_gone_at IS NOT NULL OR legacy_etag IS NOT NULL$rule$),
            ('ledger_withdrawn_is_nowhere',
                $rule$problem <> 'withdrawn' OR (legacy_gone_at IS NOT NULL AND production_modified IS NULL)$rule$),
            ('ledger_dangling_is_not_in_legacy', $rule$problem <> 'dangling' OR legacy_gone_at IS NOT NULL$rule$)
        ) AS r (name, must_be)
        WHERE NOT EXISTS (
            SELECT FROM pg_constraint WHERE conrelid = 's3_migration.ledger'::regclass AND conname = r.name
        )
    LOOP
        EXECUTE 'ALTER TABLE s3_migration.ledger ADD CONSTRAINT ' || rule.name || ' CHECK (' || rule.must_be || ')';
    END LOOP;
END
$$;

-- The key range of each mapped task of a run; both bounds belong to it.
CREATE TABLE IF NOT EXISTS s3_migration.chunk (
    run_no bigint NOT NULL REFERENCES s3_migration.run,
    chunk integer NOT NULL,
    first_key text COLLATE "C" NOT NULL,
    last_key text COLLATE "C" NOT NULL,
    objects bigint NOT NULL,
    PRIMARY KEY (run_no, chunk)
);

-- Since version 7: how far each lane of a listing that is under way has come (s3/parallel_listing.py): all before it is merged.
CREATE TABLE IF NOT EXISTS s3_migration.lane (
    run_no bigint NOT NULL REFERENCES s3_migration.run,
    lane integer NOT NULL,
    start_key text COLLATE "C" NOT NULL, -- it began after this key
    first_keys text[] COLLATE "C" NOT NULL, -- of its first page: who meets one of them has come to the lane's beginning
    last_key text COLLATE "C" NOT NULL, -- of its last page
    token text, -- asks for the next page; null: the lane has ended
    PRIMARY KEY (run_no, lane)
);

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

-- Problems that a person knows of and has given a reason for: they turn no run red. Of that very problem only.
CREATE TABLE IF NOT EXISTS s3_migration.acknowledged (
    migration_id smallint NOT NULL REFERENCES s3_migration.migration,
    legacy_key text COLLATE "C" NOT NULL,
    problem text NOT NULL,
    reason text NOT NULL,
    run_no bigint NOT NULL REFERENCES s3_migration.run, -- that was told
    acknowledged_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (migration_id, legacy_key)
);

-- Since version 4: one row a batch of deletions that may be under way, from before its requests are sent until all of them
-- are answered. Who died meanwhile leaves it: what it asked for cannot take effect after deleting_until.
CREATE TABLE IF NOT EXISTS s3_migration.deletion (
    deletion_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    migration_id smallint NOT NULL REFERENCES s3_migration.migration,
    run_no bigint NOT NULL REFERENCES s3_migration.run,
    chunk integer NOT NULL, -- 0: the whole run
    deleting_until timestamptz NOT NULL -- the database's clock
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

-- Every object in exactly one state (include/s3_migration/model/states.py).
CREATE OR REPLACE VIEW s3_migration.state AS
SELECT
    l.migration_id,
    l.run_no,
    l.legacy_key,
    l.legacy_size,
    CASE WHEN l.problem IS NOT NULL THEN l.problem WHEN l.production_modified IS NULL THEN 'listed' WHEN l.legacy_gone_at IS NOT NULL THEN 'moved' WHEN (l.copied_etag IS DISTINCT FROM l.legacy_etag OR l.rewritten) THEN 'listed' WHEN (r.mode = 'move' OR r.remove_copies) AND coalesce(l.switched_at, CASE WHEN r.switched_at IS NOT NULL THEN greatest(r.switched_at, l.owned_since) END) + r.grace_period > coalesce(r.verified_at, now()) THEN 'waiting' ELSE 'copied' END AS state,
    l.detail,
    a.reason AS acknowledged,
    l.error_code
FROM s3_migration.ledger AS l
JOIN s3_migration.run AS r ON r.run_no = l.run_no
LEFT JOIN s3_migration.acknowledged AS a
    ON a.migration_id = l.migration_id AND a.legacy_key = l.legacy_key AND a.problem = l.problem;

-- Since version 7: what legacy still holds, in the order of keys. A night over a hundred million finished objects reads what
-- is left, and not them.
CREATE INDEX IF NOT EXISTS ledger_in_legacy ON s3_migration.ledger (migration_id, legacy_key) WHERE legacy_gone_at IS NULL;

-- Since version 4: what is red stays red, also where legacy is empty by now; each night finds it by this, small as it is.
CREATE INDEX IF NOT EXISTS ledger_problems ON s3_migration.ledger (migration_id, legacy_key)
WHERE problem IN ('failed', 'conflict', 'damaged', 'changed', 'still_referenced', 'row_refused', 'misspelt');

-- A night with nothing to do must not read what a hundred million finished objects left behind: most statements ask
-- for one run's rows, or for what is not gone yet. A few kilobytes for a million rows, and nothing for an update to do.
-- Not with autosummarize: a listing is faster than its queue, and the server logs the statement for each range that is lost.
CREATE INDEX IF NOT EXISTS ledger_runs ON s3_migration.ledger USING brin (run_no, legacy_gone_at) WITH (pages_per_range = 32);

-- Since version 9.
ALTER INDEX s3_migration.ledger_runs RESET (autosummarize);

-- Since version 9: vacuum comes while a large move is at work, and not when it is over. Each row is written anew once or twice,
-- whose old places are to be used again; and what a vacuum has not seen is in no summary of ledger_runs.
ALTER TABLE s3_migration.ledger SET (
    autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_cost_limit = 1000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 200000
);

-- What all spellings of one path have in common: percent-decoded (again and again, as some encode what is encoded, and a key
-- may hold such escapes itself), a plus read as a space, without white space around it, repeated slashes as one, in one
-- Unicode normal form, in small letters. plain_key.sql is the same, and quick.
CREATE OR REPLACE FUNCTION s3_migration.plain_spelling(path text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    said text := path;
    decoded text;
BEGIN
    FOR round IN 1..9 LOOP -- more is nobody's spelling, and would take as long as somebody's row is made to
        decoded := s3_migration.url_decode(said);
        EXIT WHEN decoded IS NULL OR decoded = said;
        said := decoded;
    END LOOP;
    -- Twice: what "C" makes of the letters of ASCII is the same for all, of whatever language the database is.
    said := pg_catalog.lower(pg_catalog.lower(pg_catalog.normalize(
        pg_catalog.regexp_replace(
            pg_catalog.btrim(pg_catalog.translate(said, '+', ' '), E' \t\n\r\f\v\u00a0\ufeff'), '/{2,}', '/', 'g'
        ),
        'NFC'
    ) COLLATE "C") COLLATE "default");
    RETURN pg_catalog.normalize(said, 'NFC'); -- a small letter may have a composed form where its capital has none
END
$$;

-- What a percent-encoded text stands for; null where that is no UTF-8 text, and for a NUL, which no text of ours holds. A
-- sign of per cent without two hexadecimal digits is itself, as browsers read it.
CREATE OR REPLACE FUNCTION s3_migration.url_decode(encoded text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog
AS $$
DECLARE
    bytes bytea;
BEGIN
    IF position('%' IN encoded) = 0 THEN
        RETURN encoded;
    END IF;
    SELECT string_agg(
        CASE WHEN m.part[1] ~ '^%..' THEN decode(substr(m.part[1], 2), 'hex') ELSE convert_to(m.part[1], 'UTF8') END,
        '' ORDER BY m.place
    )
    INTO bytes
    FROM regexp_matches(encoded, '%[0-9A-Fa-f]{2}|[^%]+|%', 'g') WITH ORDINALITY AS m (part, place);
    -- Asked before it is read as text: an exception for a row would be a subtransaction each.
    IF encode(bytes, 'hex') !~ (
        '^((0[1-9a-f]|[1-7].)|(c[2-9a-f]|d.)[89ab].|e0[ab].[89ab].|(e[1-9a-cef])([89ab].){2}|ed[89].[89ab].'
        '|f0[9ab].([89ab].){2}|f[1-3]([89ab].){3}|f48.([89ab].){2})*$'
    ) THEN
        RETURN NULL;
    END IF;
    RETURN convert_from(bytes, 'UTF8');
END
$$;

-- plain_spelling of a key, of which most are next to plain: a tenth of the time where all keys of a run are spelt out. Without
-- settings of its own, so that it is made part of the statement that asks for it.
CREATE OR REPLACE FUNCTION s3_migration.plain_key(key text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN key COLLATE "C" ~ '^[A-Za-z0-9_./-]*$' AND position('//' IN key) = 0 THEN lower(key COLLATE "C")
        ELSE s3_migration.plain_spelling(key)
    END
$$;

-- The keys that a path may stand for, in their plain spelling: what follows any of the prefixes (plainly spelt), wherever it
-- stands in the path, with and without what a URL may carry after it.
CREATE OR REPLACE FUNCTION s3_migration.possible_keys(path text, prefixes text[], key_prefix text) RETURNS SETOF text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog
AS $$
    SELECT DISTINCT key_prefix || array_to_string(c.parts[i.place:], p.prefix)
    FROM (VALUES (path), (split_part(split_part(path, '?', 1), '#', 1))) AS v (said),
    LATERAL (SELECT s3_migration.plain_spelling(v.said) AS spelt) AS s,
    unnest(prefixes) AS p (prefix),
    LATERAL (
        SELECT CASE WHEN p.prefix = '' THEN ARRAY['', s.spelt] ELSE string_to_array(s.spelt, p.prefix) END AS parts
    ) AS c,
    LATERAL generate_subscripts(c.parts, 1) AS i (place)
    WHERE i.place > 1
$$;

INSERT INTO s3_migration.schema_version (version) VALUES (9) ON CONFLICT DO NOTHING;

-- The declared migration gets its row; the role may not make one up.
INSERT INTO s3_migration.migration (name) VALUES ('avatars') ON CONFLICT DO NOTHING;

-- TEMPORARY: each listing is COPYed into a staging table, gone with the session. The database is the one that this is run
-- in, whatever its name: a plain GRANT cannot say so.
DO 'BEGIN
    EXECUTE ''GRANT CONNECT, TEMPORARY ON DATABASE '' || quote_ident(current_database()) || '' TO '' || quote_ident(''migrator'');
END';

GRANT SELECT ON "public"."avatars" TO "migrator";

-- The one column, and no other.
GRANT UPDATE ("path") ON "public"."avatars" TO "migrator";

GRANT USAGE ON SCHEMA s3_migration TO "migrator";

GRANT SELECT, INSERT, UPDATE ON s3_migration.ledger, s3_migration.run, s3_migration.tally, s3_migration.timing TO "migrator";

-- A listing that is taken again draws its chunks again, and a walk begins again; a batch of deletions that was answered is no
-- more under way.
GRANT SELECT, INSERT, DELETE ON s3_migration.chunk, s3_migration.deletion TO "migrator";

GRANT SELECT, INSERT, UPDATE, DELETE ON s3_migration.lane, s3_migration.place TO "migrator";

-- The lease may be moved, and deletion be stopped: whoever can stop a deletion at 3 a.m. is the on-call SRE with Airflow
-- (python -m s3_migration stop), not the database's administrator. Making a migration is an administrator's.
GRANT SELECT, UPDATE (lease_run_no, lease_token, lease_until, deletion_stopped, requests_expire, declared)
ON s3_migration.migration TO "migrator";

GRANT SELECT ON s3_migration.schema_version, s3_migration.state TO "migrator";

GRANT USAGE ON SCHEMA "public" TO "migrator";

GRANT SELECT, INSERT, UPDATE, DELETE ON s3_migration.acknowledged TO "migrator";

GRANT EXECUTE ON FUNCTION s3_migration.url_decode(text), s3_migration.plain_spelling(text), s3_migration.plain_key(text),
s3_migration.possible_keys(text, text[], text) TO "migrator";

COMMIT;
