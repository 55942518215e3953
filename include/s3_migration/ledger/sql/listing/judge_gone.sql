-- No longer in legacy: someone removed it, or a crash lost the mark of our own deletion. Damage and what
-- is superseded are of production, whatever legacy holds; damage is over where production holds our copy again. A
-- conflict ends here, unless rows name the object (judge_unlisted_rows.sql). All of it is the run's by now (adopt.sql).
UPDATE s3_migration.ledger AS l
SET
    legacy_gone_at = coalesce(l.legacy_gone_at, now()),
    problem = CASE WHEN {no_copy} THEN 'withdrawn' WHEN j.lasts THEN l.problem END,
    error_code = NULL,
    copy_missing = l.copy_missing AND j.lasts,
    detail = CASE WHEN {has_copy} AND j.lasts THEN l.detail END
FROM (
    SELECT
        l.legacy_key,
        coalesce(l.problem IN ('damaged', 'superseded'), false) AND NOT (
            coalesce(l.problem = 'damaged', false) AND {has_copy}
            AND EXISTS (SELECT FROM {production} AS p WHERE p.key = l.legacy_key AND p.etag = l.production_etag)
        ) AS lasts
    FROM {rows} AS n
    JOIN s3_migration.ledger AS l ON l.migration_id = %(migration_id)s AND l.legacy_key = n.key
    WHERE {in_legacy} OR l.problem IN ('conflict', 'damaged')
) AS j
WHERE l.migration_id = %(migration_id)s AND l.legacy_key = j.legacy_key
