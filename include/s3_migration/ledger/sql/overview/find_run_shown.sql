-- What a page shows of a run.
SELECT
    r.run_no,
    r.run_id,
    r.mode,
    r.object_limit IS NOT NULL OR r.window_start IS NOT NULL AS partial,
    r.remove_copies,
    r.started_at,
    r.listed_at,
    r.switched_at,
    r.verified_at,
    CASE WHEN r.finished_at >= r.listed_at THEN r.finished_at END AS ended_at,
    r.grace_period,
    r.approval_asked_at,
    r.approved,
    r.answered_by,
    r.answered_at,
    r.account,
    coalesce(m.lease_run_no = r.run_no AND m.lease_until >= now(), false) AS at_work,
    m.deletion_stopped
FROM s3_migration.run AS r
JOIN s3_migration.migration AS m ON m.migration_id = r.migration_id
WHERE r.migration_id = %(migration_id)s AND r.run_id = %(run_id)s
