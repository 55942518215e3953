-- Whatever its mode: that which began, listed or asked a person last. One that was cleared and listed again has not ended
-- again yet.
SELECT
    run_id,
    mode,
    object_limit IS NOT NULL OR window_start IS NOT NULL AS partial,
    started_at,
    CASE WHEN finished_at > listed_at THEN finished_at END AS ended_at,
    approval_asked_at,
    approved,
    answered_by,
    answered_at
FROM s3_migration.run
WHERE migration_id = %(migration_id)s
ORDER BY greatest(started_at, listed_at, approval_asked_at) DESC, run_no DESC
LIMIT 1
