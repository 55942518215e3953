-- Copies of a slice that the look at production did not show: before they count as gone they are asked for one by one.
SELECT s.key
FROM {legacy} AS s
JOIN s3_migration.ledger AS l ON l.migration_id = %(migration_id)s AND l.legacy_key = s.key
WHERE
    l.copied_etag IS NOT NULL
    AND NOT EXISTS (SELECT FROM {production} AS p WHERE p.key = s.key)
ORDER BY s.key
