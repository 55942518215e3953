-- A person's word, of a run that was asked for it. No lease is needed to write it down: another run may be at work.
UPDATE s3_migration.run AS r
SET approved = %(approved)s, answered_at = %(answered_at)s, answered_by = %(answered_by)s
FROM s3_migration.migration AS m
WHERE
    m.name = %(name)s AND r.migration_id = m.migration_id AND r.run_id = %(run_id)s
    AND r.approval_asked_at IS NOT NULL
