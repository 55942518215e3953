-- Rows that name a legacy path without an object. Where production has the object they are switched: a stale write or a
-- restored backup named the old path again. Not to what was never ours and is another content than legacy held: a
-- conflict stays one. Where nothing is anywhere, the copy that we knew of is damage, and what we never copied dangles.
INSERT INTO s3_migration.ledger AS l (
    migration_id, legacy_key, run_no, copied_etag, production_etag, production_modified, legacy_gone_at, problem,
    copy_missing, detail
)
SELECT
    %(migration_id)s, n.key, %(run_no)s,
    -- What production holds by now need not be our copy any more.
    CASE WHEN p.key IS NULL OR p.etag = l.production_etag THEN l.copied_etag END,
    CASE WHEN v.problem IS DISTINCT FROM 'conflict' THEN coalesce(p.etag, l.production_etag) END,
    CASE WHEN v.problem IS DISTINCT FROM 'conflict' THEN coalesce(p.modified, l.production_modified) END,
    coalesce(l.legacy_gone_at, now()),
    v.problem,
    v.problem IS NOT DISTINCT FROM 'damaged',
    CASE WHEN v.problem IN ('conflict', 'damaged') THEN {held} END
FROM {rows} AS n
LEFT JOIN {production} AS p ON p.key = n.key
LEFT JOIN s3_migration.ledger AS l
    ON l.migration_id = %(migration_id)s AND l.legacy_key = ANY(ARRAY(SELECT k.key FROM {rows} AS k))
    AND l.legacy_key = n.key
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN p.key IS NULL AND {has_copy} THEN 'damaged'
        WHEN p.key IS NULL THEN 'dangling'
        WHEN {no_copy} AND p.etag <> l.legacy_etag THEN 'conflict'
    END AS problem
) AS v
ON CONFLICT (migration_id, legacy_key) DO UPDATE SET
    copied_etag = excluded.copied_etag,
    production_etag = excluded.production_etag,
    production_modified = excluded.production_modified,
    legacy_gone_at = excluded.legacy_gone_at,
    problem = excluded.problem,
    error_code = NULL,
    copy_missing = excluded.copy_missing,
    detail = excluded.detail
WHERE
    (l.legacy_gone_at, l.problem, l.production_etag, l.production_modified, l.copy_missing, l.detail) IS DISTINCT FROM (
        excluded.legacy_gone_at, excluded.problem, excluded.production_etag, excluded.production_modified,
        excluded.copy_missing, excluded.detail
    )
