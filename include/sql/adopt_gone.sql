-- Unfinished, and no longer in legacy: someone removed it, or a crash lost the mark of our own deletion.
UPDATE s3_migration.ledger AS l
SET
    run_no = %(run_no)s,
    gone_at = now(),
    kind = CASE
        WHEN l.copied_at IS NULL THEN 'withdrawn'
        WHEN l.kind IN ('damaged', 'superseded') THEN l.kind -- of production, whatever legacy holds
    END
WHERE
    l.migration_id = %(migration_id)s
    AND l.gone_at IS NULL
    AND NOT EXISTS (SELECT FROM {legacy} AS s WHERE s.key = l.legacy_key)
