-- When each chunk was copied and deleted, and how much of it: of the tasks that counted anything.
SELECT t.step, t.started_at, coalesce(t.ended_at, clock_timestamp()) AS ended_at, n.number AS objects
FROM s3_migration.timing AS t
JOIN s3_migration.tally AS n
    ON
        n.run_no = t.run_no AND n.step = t.step AND n.chunk = t.chunk
        AND n.what = CASE t.step WHEN 'copy' THEN 'copied' WHEN 'delete' THEN 'deleted' END
WHERE t.run_no = %(run_no)s AND n.number > 0
ORDER BY t.started_at, t.chunk
