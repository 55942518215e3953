-- A run that is cleared and starts over keeps its number (and has forgotten what its steps found: invalidate_run.sql).
INSERT INTO s3_migration.run (
    migration_id, run_id, mode, object_limit, grace_period, window_start, window_end, remove_copies,
    approve_deletion
)
VALUES (
    %(migration_id)s, %(run_id)s, %(mode)s, %(object_limit)s, %(grace_period)s, %(window_start)s, %(window_end)s,
    %(remove_copies)s, %(approve_deletion)s
)
ON CONFLICT (migration_id, run_id) DO UPDATE SET
    mode = excluded.mode,
    object_limit = excluded.object_limit,
    grace_period = excluded.grace_period,
    window_start = excluded.window_start,
    window_end = excluded.window_end,
    remove_copies = excluded.remove_copies,
    approve_deletion = excluded.approve_deletion
RETURNING run_no
