-- The next of a chunk that production holds no copy of; a copy of an older version is replaced.
SELECT
    legacy_key, legacy_size, legacy_etag,
    CASE WHEN copied_etag IS NOT NULL THEN production_etag END AS replaces,
    EXISTS (
        SELECT FROM s3_migration.acknowledged AS a WHERE a.migration_id = l.migration_id AND a.legacy_key = l.legacy_key
    ) AS acknowledged
FROM s3_migration.ledger AS l
WHERE
    migration_id = %(migration_id)s AND run_no = %(run_no)s
    AND legacy_key > %(after)s AND legacy_key >= %(first_key)s AND legacy_key <= %(last_key)s
    AND legacy_gone_at IS NULL
    AND (production_modified IS NULL OR copied_etag IS DISTINCT FROM legacy_etag)
    AND problem IS DISTINCT FROM 'superseded'
    AND (%(problem)s::text IS NULL OR problem = %(problem)s)
ORDER BY legacy_key
LIMIT %(limit)s
