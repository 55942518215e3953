-- The rows of a page one by one, to find the one that the database refuses to switch.
SELECT a.tableoid AS relation, a.ctid::text, l.legacy_key
FROM {paths}
JOIN s3_migration.ledger AS l
    ON l.legacy_key = {from_key}
WHERE
    a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid
    AND {names_from}
    AND l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
    AND {may_be_switched}
