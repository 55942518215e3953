-- Who holds locks on a relation that may be in our way, the longest transaction first. Of other roles' sessions the time
-- is hidden from a role without pg_read_all_stats.
SELECT a.pid, a.usename::text AS role, a.application_name AS application, min(a.xact_start) AS since
FROM pg_locks AS k
JOIN pg_stat_activity AS a ON a.pid = k.pid
WHERE
    k.relation = %(relation)s::regclass
    AND k.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
    AND k.granted AND k.pid <> pg_backend_pid() AND k.mode <> 'AccessShareLock'
GROUP BY a.pid, a.usename, a.application_name
ORDER BY since NULLS LAST, a.pid
LIMIT 3
