-- Which objects the forecast counted as conflicts, and which dangling rows: a plan leaves nothing to look them up in.
(
    SELECT 'conflict' AS problem, s.key
    FROM {legacy} AS s
    INNER JOIN {production} AS p ON p.key = s.key
    LEFT JOIN s3_migration.ledger AS l ON l.migration_id = %(migration_id)s AND l.legacy_key = s.key
    WHERE (p.size, p.etag) IS DISTINCT FROM (s.size, s.etag) AND l.copied_etag IS NULL
    ORDER BY s.key
    LIMIT %(limit)s
)
UNION ALL
(
    SELECT 'dangling', r.key
    FROM {rows} AS r
    WHERE NOT EXISTS (SELECT FROM {production} AS q WHERE q.key = r.key)
    ORDER BY r.key
    LIMIT %(limit)s
)
