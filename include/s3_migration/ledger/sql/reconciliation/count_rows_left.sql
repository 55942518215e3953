-- Rows of some pages that name the path which the run switches from, of its objects, whatever the reason. In the shape of
-- switch_rows.sql: neither the ledger nor the table is read as a whole.
WITH known AS MATERIALIZED (
    SELECT l.legacy_key
    FROM s3_migration.ledger AS l
    WHERE
        l.migration_id = %(migration_id)s
        AND l.legacy_key = ANY(ARRAY(
            SELECT {from_key}
            FROM {paths}
            WHERE
                a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid
                AND {names_from}
        ))
        AND l.run_no = %(run_no)s
)

SELECT count(*)
FROM {paths}
WHERE
    a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid
    AND {names_from}
    AND ({from_key} IN (SELECT k.legacy_key FROM known AS k)) IS TRUE
