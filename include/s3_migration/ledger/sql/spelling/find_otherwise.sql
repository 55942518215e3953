-- Rows of some pages that may name an object in another spelling than the declared one: the keys that they may stand for,
-- and the one that they name as they are spelt, where they begin as declared. Not those of which the ledger knows that one.
-- In the shape of switch_rows.sql.
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
        AND l.problem IS DISTINCT FROM 'dangling'
)

SELECT r.exact, p.spelling, min(r.path) AS path
FROM (
    SELECT n.path::text AS path, CASE WHEN {names_from} THEN {from_key} END AS exact
    FROM {paths}
    WHERE
        a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid
        AND NOT {names_to}
        AND ({names_from} OR {likely})
        AND ({names_from} AND {from_key} IN (SELECT k.legacy_key FROM known AS k)) IS NOT TRUE
) AS r
CROSS JOIN LATERAL s3_migration.possible_keys(r.path, {plain_prefixes}, {plain_key_prefix}) AS p (spelling)
GROUP BY r.exact, p.spelling
ORDER BY p.spelling
