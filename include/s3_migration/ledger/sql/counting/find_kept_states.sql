-- What was counted of ranges that were finished, since the run was listed, and while no later run took anything over.
SELECT t.chunk, t.what AS state, t.number AS objects
FROM s3_migration.run AS r
JOIN s3_migration.place AS p ON p.run_no = r.run_no AND p.step = 'states' AND p.ended AND p.begun_at >= r.listed_at
JOIN s3_migration.tally AS t ON t.run_no = r.run_no AND t.step = 'states' AND t.chunk = p.chunk AND t.number > 0
WHERE
    r.run_no = %(run_no)s
    AND NOT EXISTS (
        SELECT FROM s3_migration.run AS o
        WHERE o.migration_id = r.migration_id AND o.run_no > r.run_no AND o.listed_at IS NOT NULL
    )
