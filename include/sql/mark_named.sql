-- Rows that name the path which they were switched from. Such an object is kept. One pass over the table.
UPDATE s3_migration.ledger AS l
SET kind = CASE WHEN l.kind = 'withdrawn' THEN 'dangling' ELSE 'named' END
FROM (
    SELECT DISTINCT (%(legacy_prefix)s || substr(a.{column}, %(from_path_rest)s)) COLLATE "C" AS key
    FROM {table} AS a
    WHERE starts_with(a.{column}, %(from_path_prefix)s)
) AS n
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.legacy_key = n.key
    AND CASE
        WHEN %(undo)s
            THEN
                l.copied_at IS NOT NULL AND l.gone_at IS NULL
                AND (l.kind IS NULL OR l.kind IN ('changed', 'damaged'))
        ELSE
            l.kind = 'withdrawn'
            OR (l.kind IS NULL AND l.copied_at IS NOT NULL AND (l.gone_at IS NOT NULL OR l.copied_etag = l.legacy_etag))
    END
