-- Unfinished, and no longer in legacy: someone removed it, or a crash lost the mark of our own deletion.
UPDATE s3_migration.ledger AS l
SET
    run_no = %(run_no)s,
    legacy_gone_at = now(),
    problem = CASE
        WHEN l.production_modified IS NULL THEN 'withdrawn'
        WHEN l.problem IN ('damaged', 'superseded') THEN l.problem -- of production, whatever legacy holds
    END
WHERE
    l.migration_id = %(migration_id)s
    AND l.legacy_gone_at IS NULL
    AND NOT EXISTS (SELECT FROM {legacy} AS s WHERE s.key = l.legacy_key)
