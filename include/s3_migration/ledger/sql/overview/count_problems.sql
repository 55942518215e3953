-- Of so many at the most: a page needs to tell ten thousand from more, and no more.
SELECT n.problem, count(*) AS objects, count(n.reason) AS acknowledged
FROM (
    SELECT l.problem, a.reason
    FROM s3_migration.ledger AS l
    LEFT JOIN s3_migration.acknowledged AS a
        ON a.migration_id = l.migration_id AND a.legacy_key = l.legacy_key AND a.problem = l.problem
    WHERE l.migration_id = %(migration_id)s AND l.problem IN ({problems})
    LIMIT %(limit)s
) AS n
GROUP BY n.problem
ORDER BY n.problem
