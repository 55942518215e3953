-- The rows of a page one by one, to find the one that the database refuses to switch.
SELECT a.ctid::text, l.legacy_key
FROM {table} AS a
JOIN s3_migration.ledger AS l
    ON l.legacy_key = (%(legacy_prefix)s || substr(a.{column}, %(from_path_rest)s)) COLLATE "C"
WHERE
    a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid
    AND starts_with(a.{column}, %(from_path_prefix)s)
    AND l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
    AND l.production_modified IS NOT NULL
    AND CASE
        WHEN %(undo)s THEN l.legacy_gone_at IS NULL AND (l.problem IS NULL OR l.problem IN ('still_referenced', 'changed', 'damaged'))
        ELSE (l.legacy_gone_at IS NOT NULL OR l.copied_etag = l.legacy_etag) AND (l.problem IS NULL OR l.problem = 'still_referenced')
    END
