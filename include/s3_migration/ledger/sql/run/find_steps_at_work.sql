-- Of the run that has the lease: steps of which a try has begun and not ended. One that was killed counts until it is
-- tried again.
SELECT t.step, count(*) AS tasks, min(t.started_at) AS since
FROM s3_migration.migration AS m
JOIN s3_migration.timing AS t ON t.run_no = m.lease_run_no
WHERE m.migration_id = %(migration_id)s AND t.ended_at IS NULL
GROUP BY t.step
ORDER BY since
