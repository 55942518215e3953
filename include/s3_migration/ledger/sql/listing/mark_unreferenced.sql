-- unreferenced: keep. What no row names is neither copied nor deleted, until a row names it. One pass over the tables: a
-- grouping, as in count_rows_left.sql.
UPDATE s3_migration.ledger AS l SET problem = 'unreferenced', detail = NULL
FROM (
    SELECT u.key
    FROM (
        SELECT l.legacy_key AS key, false AS named
        FROM s3_migration.ledger AS l
        WHERE
            l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
            AND {in_legacy} AND l.problem IS NULL
        UNION ALL
        SELECT n.key, true FROM ({rows_naming_either}) AS n
    ) AS u
    GROUP BY u.key
    HAVING NOT bool_or(u.named)
) AS n
WHERE l.migration_id = %(migration_id)s AND l.legacy_key = n.key
