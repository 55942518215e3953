-- Our copy is gone. Where a row names it, it is made anew while legacy lasts; where none does, the application
-- removed it: its own business. One pass over the table, run only where there is such an object.
UPDATE s3_migration.ledger AS l
SET
    kind = CASE WHEN n.key IS NULL THEN 'superseded' ELSE %(kind_of_named)s END,
    copied_etag = CASE WHEN n.key IS NULL OR l.gone_at IS NOT NULL THEN l.copied_etag END,
    production_etag = CASE WHEN n.key IS NULL OR l.gone_at IS NOT NULL THEN l.production_etag END,
    copied_at = CASE WHEN n.key IS NULL OR l.gone_at IS NOT NULL THEN l.copied_at END
FROM s3_migration.ledger AS x
LEFT JOIN (
    SELECT DISTINCT c.legacy_key AS key
    FROM s3_migration.ledger AS c
    CROSS JOIN LATERAL (
        VALUES
            (%(legacy_path_prefix)s || substr(c.legacy_key, %(legacy_rest)s)),
            (%(production_path_prefix)s || substr(c.legacy_key, %(legacy_rest)s))
    ) AS named (path)
    JOIN {table} AS a ON a.{column} COLLATE "C" = named.path COLLATE "C"
    WHERE
        c.migration_id = %(migration_id)s AND c.run_no = %(run_no)s AND c.kind = 'damaged'
        AND (%(keys)s::text[] IS NULL OR c.legacy_key = ANY(%(keys)s))
) AS n ON n.key = x.legacy_key
WHERE
    x.migration_id = %(migration_id)s AND x.run_no = %(run_no)s
    AND x.kind = 'damaged' AND x.detail = 'production holds no object'
    AND (%(keys)s::text[] IS NULL OR x.legacy_key = ANY(%(keys)s))
    AND l.migration_id = x.migration_id AND l.legacy_key = x.legacy_key
