-- Rows that name a legacy path for no reason that is known. One pass over the table.
SELECT count(*) AS rows, min(n.path) AS first
FROM (
    SELECT
        a.{column} AS path,
        (%(legacy_prefix)s || substr(a.{column}, %(legacy_path_rest)s)) COLLATE "C" AS key
    FROM {table} AS a
    WHERE starts_with(a.{column}, %(legacy_path_prefix)s)
) AS n
LEFT JOIN s3_migration.state AS s ON s.migration_id = %(migration_id)s AND s.legacy_key = n.key
WHERE s.state IS NULL OR NOT (s.state = ANY(%(explained)s) OR s.acknowledged IS NOT NULL)
