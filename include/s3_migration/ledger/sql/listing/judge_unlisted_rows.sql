-- Rows that name a legacy path without an object: switched where production has it (a stale write or a restored
-- backup named the old path again), else dangling.
INSERT INTO s3_migration.ledger AS l (
    migration_id, legacy_key, run_no, production_etag, production_modified, legacy_gone_at, problem
)
SELECT
    %(migration_id)s, n.key, %(run_no)s, p.etag, p.modified, now(),
    CASE WHEN p.key IS NULL THEN 'dangling' END
FROM {rows} AS n
LEFT JOIN {production} AS p ON p.key = n.key
ON CONFLICT (migration_id, legacy_key) DO UPDATE SET
    -- What production holds by now need not be our copy any more.
    copied_etag = CASE
        WHEN excluded.production_etag IS NULL OR excluded.production_etag = l.production_etag THEN l.copied_etag
    END,
    production_etag = coalesce(excluded.production_etag, l.production_etag),
    production_modified = coalesce(excluded.production_modified, l.production_modified),
    legacy_gone_at = coalesce(l.legacy_gone_at, excluded.legacy_gone_at),
    problem = excluded.problem,
    error_code = NULL,
    copy_missing = false,
    detail = NULL
WHERE
    {in_legacy}
    OR (l.problem, l.production_etag, l.production_modified) IS DISTINCT FROM (
        excluded.problem, coalesce(excluded.production_etag, l.production_etag),
        coalesce(excluded.production_modified, l.production_modified)
    )
