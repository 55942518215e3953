-- The next problems after a key; by the index of what is red, small as it is.
SELECT
    l.legacy_key,
    l.problem,
    l.error_code,
    l.detail,
    l.legacy_size AS size,
    l.owned_since,
    r.run_id,
    a.reason AS acknowledged
FROM s3_migration.ledger AS l
JOIN s3_migration.run AS r ON r.run_no = l.run_no
LEFT JOIN s3_migration.acknowledged AS a
    ON a.migration_id = l.migration_id AND a.legacy_key = l.legacy_key AND a.problem = l.problem
WHERE
    l.migration_id = %(migration_id)s AND l.legacy_key > %(after)s AND l.problem IN ({problems})
    AND (%(problem)s::text IS NULL OR l.problem = %(problem)s)
    AND (%(containing)s::text IS NULL OR strpos(l.legacy_key, %(containing)s) > 0)
ORDER BY l.legacy_key
LIMIT %(limit)s
