-- Rows that name the path which the run switches from, of its objects, whatever the reason. One pass over the table.
SELECT count(*)
FROM {table} AS a
JOIN s3_migration.ledger AS l
    ON l.legacy_key = (%(legacy_prefix)s || substr(a.{column}, %(from_path_rest)s)) COLLATE "C"
WHERE
    starts_with(a.{column}, %(from_path_prefix)s)
    AND l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
