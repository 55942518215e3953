-- Such an object is kept, whatever else is known of it stays as it is; where rows are spelt as declared by now, it is over.
-- A slice of what a pass has found, and a former one had. As in mark_still_referenced.sql, by key and not by a join.
UPDATE s3_migration.ledger AS l
SET problem = CASE WHEN (f.details ->> l.legacy_key) IS NOT NULL THEN 'misspelt' END, detail = (f.details ->> l.legacy_key)
FROM (
    SELECT jsonb_object_agg(k.key, k.detail) AS details -- null: none
    FROM (
        SELECT m.key, min({spelt}) AS detail
        FROM pg_temp.listed_misspelt AS m
        WHERE m.key = ANY(%(keys)s)
        GROUP BY m.key
    ) AS k
) AS f
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.legacy_key = ANY(%(keys)s)
    AND CASE
        WHEN (f.details ->> l.legacy_key) IS NOT NULL
            THEN (l.problem IS NULL OR l.problem = 'unreferenced') AND {in_legacy}
        ELSE l.problem = 'misspelt'
    END
