-- The rows of a page one by one, to find the one that the database refuses to switch.
SELECT a.ctid::text, l.legacy_key
FROM {table} AS a
JOIN s3_migration.ledger AS l
    ON l.legacy_key = (%(legacy_prefix)s || substr(a.{column}, %(from_path_rest)s)) COLLATE "C"
WHERE
    a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid
    AND starts_with(a.{column}, %(from_path_prefix)s)
    AND l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
    AND {may_be_switched}
