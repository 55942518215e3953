-- Rows that name the path which they were switched from. Such an object is kept. One pass over the table.
UPDATE s3_migration.ledger AS l
SET problem = CASE WHEN l.problem = 'withdrawn' THEN 'dangling' ELSE 'still_referenced' END
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
                l.production_modified IS NOT NULL AND l.legacy_gone_at IS NULL
                AND (l.problem IS NULL OR l.problem IN ('changed', 'damaged'))
        ELSE
            l.problem = 'withdrawn'
            OR (l.problem IS NULL AND l.production_modified IS NOT NULL AND (l.legacy_gone_at IS NOT NULL OR l.copied_etag = l.legacy_etag))
    END
