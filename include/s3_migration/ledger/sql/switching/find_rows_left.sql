-- Rows of some pages that name the path which the run switches from, of its objects: how many. With the key and one such path
-- of each object of which that is not as it should be, or was not when it was looked at last; all others together, with
-- neither. In the shape of switch_rows.sql: neither the ledger nor the table is read as a whole.
WITH known AS MATERIALIZED (
    SELECT
        l.legacy_key,
        (NOT %(undo)s AND l.problem = 'withdrawn') OR {should_be_switched} OR l.problem IN ({states_unswitched}) AS unswitched
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

SELECT r.key, min(r.path) AS path, count(*) AS rows
FROM (
    SELECT
        n.path::text AS path,
        CASE WHEN ({from_key} IN (SELECT k.legacy_key FROM known AS k WHERE k.unswitched)) IS TRUE THEN {from_key} END AS key
    FROM {paths}
    WHERE
        a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid
        AND {names_from}
        AND ({from_key} IN (SELECT k.legacy_key FROM known AS k)) IS TRUE
) AS r
GROUP BY r.key
ORDER BY r.key
