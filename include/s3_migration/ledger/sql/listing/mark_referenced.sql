-- unreferenced: keep. Rows of some pages name these, by either path: they are moved like any other.
UPDATE s3_migration.ledger AS l SET problem = NULL
FROM (
    SELECT DISTINCT {either_key} AS key
    FROM {paths}
    WHERE a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid AND {names_either}
) AS n
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.legacy_key = n.key AND l.problem = 'unreferenced'
