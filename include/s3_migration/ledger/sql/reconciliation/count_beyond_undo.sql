-- Copied, and gone from legacy: what an undo cannot give back. Of the next objects after a key, whose they may be; null: there
-- are none.
SELECT count(*) FILTER (WHERE o.beyond) AS beyond, max(o.legacy_key) AS reached
FROM (
    SELECT l.legacy_key, l.legacy_gone_at IS NOT NULL AND l.copied_etag IS NOT NULL AS beyond
    FROM s3_migration.ledger AS l
    WHERE l.migration_id = %(migration_id)s AND l.legacy_key > %(after)s
    ORDER BY l.legacy_key
    LIMIT %(limit)s
) AS o
