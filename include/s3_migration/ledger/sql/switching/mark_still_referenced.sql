-- Rows that name the path which they might have been switched from. Such an object is kept. One pass over the table.
UPDATE s3_migration.ledger AS l
SET
    problem = CASE WHEN l.problem = 'withdrawn' THEN 'dangling' ELSE 'still_referenced' END,
    error_code = NULL,
    copy_missing = false,
    detail = NULL
FROM (
    SELECT DISTINCT (%(legacy_prefix)s || substr(a.{column}, %(from_path_rest)s)) COLLATE "C" AS key
    FROM {table} AS a
    WHERE starts_with(a.{column}, %(from_path_prefix)s)
) AS n
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.legacy_key = n.key
    AND ((NOT %(undo)s AND l.problem = 'withdrawn') OR {should_be_switched})
