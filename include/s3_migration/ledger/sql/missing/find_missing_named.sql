-- The copies of the run that are gone from production and that rows of some pages name, by either path. In the shape of
-- switch_rows.sql.
SELECT l.legacy_key
FROM s3_migration.ledger AS l
WHERE
    l.migration_id = %(migration_id)s
    AND l.legacy_key = ANY(ARRAY(
        SELECT {either_key}
        FROM {paths}
        WHERE
            a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid
            AND {names_either}
    ))
    AND l.run_no = %(run_no)s
    AND {copy_missing}
