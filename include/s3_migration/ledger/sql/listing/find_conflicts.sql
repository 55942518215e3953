-- Which objects of a slice the forecast counted as conflicts: a plan leaves nothing to look them up in.
SELECT s.key
FROM {legacy} AS s
JOIN {production} AS p ON p.key = s.key
LEFT JOIN s3_migration.ledger AS l ON l.migration_id = %(migration_id)s AND l.legacy_key = s.key
CROSS JOIN LATERAL (SELECT {production_holds} AS holds) AS v
WHERE l.copied_etag IS NULL AND {problem_without_copy} = 'conflict'
ORDER BY s.key
LIMIT %(limit)s
