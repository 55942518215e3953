-- Rows that name a legacy path for no reason that is known. One pass over the tables.
SELECT count(*) AS rows, min(n.path) AS first
FROM ({rows_naming_legacy}) AS n
LEFT JOIN s3_migration.state AS s ON s.migration_id = %(migration_id)s AND s.legacy_key = n.key
WHERE s.state IS NULL OR NOT (s.state = ANY(%(explained)s) OR s.acknowledged IS NOT NULL)
