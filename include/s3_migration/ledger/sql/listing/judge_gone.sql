-- Unfinished, and no longer in legacy: someone removed it, or a crash lost the mark of our own deletion. Damage and what
-- is superseded are of production, whatever legacy holds; a conflict ends here, unless rows name the object
-- (judge_unlisted_rows.sql). All of it is the run's by now (adopt.sql), which is not asked, as in judge_listed.sql.
UPDATE s3_migration.ledger AS l
SET
    legacy_gone_at = coalesce(l.legacy_gone_at, now()),
    problem = CASE WHEN {no_copy} THEN 'withdrawn' WHEN l.problem IN ('damaged', 'superseded') THEN l.problem END,
    error_code = NULL,
    detail = CASE WHEN {has_copy} AND l.problem IN ('damaged', 'superseded') THEN l.detail END
WHERE
    l.migration_id = %(migration_id)s
    AND ({in_legacy} OR l.problem = 'conflict')
    AND NOT EXISTS (SELECT FROM {legacy} AS s WHERE s.key = l.legacy_key)
