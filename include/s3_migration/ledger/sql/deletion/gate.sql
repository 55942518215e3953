-- Whether this run may delete now.
SELECT
    r.verified_at,
    coalesce(%(rows_asked)s OR {rows_known}, false) AS fresh,
    r.damaged,
    m.deletion_stopped,
    m.requests_expire
FROM s3_migration.run AS r
JOIN s3_migration.migration AS m USING (migration_id)
WHERE r.run_no = %(run_no)s
