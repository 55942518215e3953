-- Only what the archive holds may go: no run may have been at work since. The row stays locked, so that none begins.
DO $$
DECLARE
    ledger record;
BEGIN
    IF to_regclass('s3_migration.migration') IS NULL THEN
        RAISE EXCEPTION 'this database has no schema s3_migration: nothing to forget (or another database is meant)';
    END IF;
    SELECT * INTO ledger FROM s3_migration.migration WHERE name = {name} FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING MESSAGE = 'the ledger knows no migration ' || {name} || ': nothing to forget';
    END IF;
    IF ledger.lease_run_no IS NOT NULL AND ledger.lease_until > now() THEN
        RAISE EXCEPTION USING
            MESSAGE = 'a run of migration ' || {name} || ' is at work: nothing was changed',
            HINT = 'pause the DAG, let the run end, archive again';
    END IF;
    IF ledger.lease_token <> {lease_token} OR {newest_run}::timestamptz IS DISTINCT FROM (
        SELECT max(started_at) FROM s3_migration.run WHERE migration_id = ledger.migration_id
    ) THEN
        RAISE EXCEPTION USING
            MESSAGE = 'this is not the ledger of migration ' || {name} || ' that was archived: nothing was changed',
            HINT = 'a run has been at work since, or another database is meant; archive again';
    END IF;
END
$$
