-- Take over what is unfinished of a slice, whoever left it: what was listed, and what legacy holds no more or rows alone name.
-- Here, and in reclaim.sql, an object changes its owner, and its grace period goes on from the earlier run's switch; the
-- judge_*.sql after it write only what differs.
UPDATE s3_migration.ledger AS l
SET
    run_no = %(run_no)s,
    owned_since = now(),
    switched_at = CASE
        WHEN {in_legacy} AND (l.problem IS NULL OR l.problem = 'failed') THEN coalesce(l.switched_at, {switched_by_former})
    END
FROM (
    SELECT s.key FROM {legacy} AS s
    UNION ALL
    SELECT n.key FROM {rows} AS n
    -- Written in the order of the ledger and of its index: in any other each row would be another page of both.
    ORDER BY key
) AS scope,
s3_migration.run AS former
WHERE l.migration_id = %(migration_id)s AND l.legacy_key = scope.key AND former.run_no = l.run_no
