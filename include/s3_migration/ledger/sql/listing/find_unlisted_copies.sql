-- Copies of a slice that the look at production did not show: before they count as gone they are asked for one by one.
SELECT l.legacy_key
FROM s3_migration.ledger AS l
WHERE
    l.migration_id = %(migration_id)s AND l.legacy_key = ANY(ARRAY(SELECT s.key FROM {legacy} AS s))
    AND l.copied_etag IS NOT NULL
    AND NOT EXISTS (SELECT FROM {production} AS p WHERE p.key = l.legacy_key)
ORDER BY l.legacy_key
