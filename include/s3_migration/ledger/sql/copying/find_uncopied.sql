-- The next of a chunk that production holds no copy of; a copy of an older version is replaced.
SELECT
    l.legacy_key, l.legacy_size, l.legacy_etag,
    CASE WHEN l.copied_etag IS NOT NULL THEN l.production_etag END AS replaces,
    EXISTS (
        SELECT FROM s3_migration.acknowledged AS a WHERE a.migration_id = l.migration_id AND a.legacy_key = l.legacy_key
    ) AS acknowledged
FROM s3_migration.ledger AS l
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
    AND l.legacy_key > %(after)s AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
    AND {may_be_copied}
    AND (%(problem)s::text IS NULL OR l.problem = %(problem)s)
ORDER BY l.legacy_key
LIMIT %(limit)s
