-- Take over what is unfinished in the run's scope, whoever left it: what was listed, and (of a run that takes all) what
-- legacy holds no more, what rows name, and of what legacy is empty what is red or was never looked at since. Here, and in reclaim.sql, an object changes its owner, and its grace period
-- goes on from the earlier run's switch; the judge_*.sql after it write only what differs.
WITH died AS MATERIALIZED (
    SELECT d.run_no FROM s3_migration.run AS d
    WHERE
        d.migration_id = %(migration_id)s AND d.run_no <> %(run_no)s AND d.mode = 'move'
        AND d.verified_at IS NOT NULL AND d.finished_at IS NULL
)

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
    UNION ALL
    SELECT u.legacy_key
    FROM s3_migration.ledger AS u
    WHERE
        %(takes_all)s AND u.migration_id = %(migration_id)s AND u.legacy_gone_at IS NULL
        AND NOT EXISTS (SELECT FROM {legacy} AS s WHERE s.key = u.legacy_key)
    UNION ALL
    SELECT u.legacy_key
    FROM s3_migration.ledger AS u
    WHERE
        %(takes_all)s AND u.migration_id = %(migration_id)s AND u.legacy_gone_at IS NOT NULL
        AND u.problem IN ({problems})
        AND NOT EXISTS (SELECT FROM {legacy} AS s WHERE s.key = u.legacy_key)
    UNION ALL
    -- What a run deleted that died before its last look: the application may have removed the copy since the proof.
    SELECT u.legacy_key
    FROM s3_migration.ledger AS u
    WHERE
        %(takes_all)s AND u.migration_id = %(migration_id)s AND u.legacy_gone_at IS NOT NULL AND u.problem IS NULL
        -- Asked once and first: where there is no such run, nothing of what is finished is read.
        AND EXISTS (SELECT FROM died)
        AND u.run_no IN (SELECT d.run_no FROM died AS d)
        AND NOT EXISTS (SELECT FROM {legacy} AS s WHERE s.key = u.legacy_key)
    -- Written in the order of the ledger and of its index: in any other each row would be another page of both.
    ORDER BY key
) AS scope,
s3_migration.run AS former
WHERE l.migration_id = %(migration_id)s AND l.legacy_key = scope.key AND former.run_no = l.run_no
