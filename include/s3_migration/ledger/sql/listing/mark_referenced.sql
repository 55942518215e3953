-- unreferenced: keep. Rows of some pages name these, by either path: they are moved like any other.
UPDATE s3_migration.ledger AS l SET problem = NULL
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
    AND l.legacy_key = ANY(ARRAY(
        SELECT {either_key}
        FROM {paths}
        WHERE a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid AND {names_either}
    ))
    AND l.problem = 'unreferenced'
