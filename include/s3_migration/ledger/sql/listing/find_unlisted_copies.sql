-- Copies that the look at production did not show: before they count as gone they are asked for one by one. So are those
-- that were damaged when legacy was empty already.
SELECT s.key
FROM {legacy} AS s
JOIN s3_migration.ledger AS l ON l.migration_id = %(migration_id)s AND l.legacy_key = s.key
WHERE
    l.copied_etag IS NOT NULL
    AND NOT EXISTS (SELECT FROM {production} AS p WHERE p.key = s.key)
UNION
SELECT l.legacy_key
FROM s3_migration.ledger AS l
WHERE
    l.migration_id = %(migration_id)s AND l.problem = 'damaged' AND l.legacy_gone_at IS NOT NULL
    AND NOT EXISTS (SELECT FROM {production} AS p WHERE p.key = l.legacy_key)
ORDER BY key
