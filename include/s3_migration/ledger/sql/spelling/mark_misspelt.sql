-- Such an object is kept, whatever else is known of it stays as it is; where rows are spelt as declared by now, it is over.
-- A slice of all that a pass has found, and of what a former one had.
UPDATE s3_migration.ledger AS l
SET problem = CASE WHEN n.found THEN 'misspelt' END, detail = n.detail
FROM (
    SELECT k.key, bool_or(k.found) AS found, min(k.detail) AS detail
    FROM (
        SELECT m.key, true AS found, {spelt} AS detail
        FROM pg_temp.listed_misspelt AS m
        WHERE m.key > %(after)s AND m.key <= %(last)s
        UNION ALL
        SELECT l.legacy_key, false, NULL
        FROM s3_migration.ledger AS l
        WHERE
            l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.problem = 'misspelt'
            AND l.legacy_key > %(after)s AND l.legacy_key <= %(last)s
    ) AS k
    GROUP BY k.key
) AS n
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.legacy_key = n.key
    AND CASE WHEN n.found THEN (l.problem IS NULL OR l.problem = 'unreferenced') AND {in_legacy} ELSE l.problem = 'misspelt' END
