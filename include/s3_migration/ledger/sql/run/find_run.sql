SELECT
    run_no, mode, object_limit, grace_period, window_start, window_end, remove_copies, started_at, listed_at, switched_at, verified_at, finished_at,
    approve_deletion, approved, answered_at, answered_by
FROM s3_migration.run
WHERE migration_id = %(migration_id)s AND run_id = %(run_id)s
