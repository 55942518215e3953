-- Rows that name the path which they might have been switched from: such an object is kept. Where no row does any more,
-- the problem is over. One pass over the tables.
UPDATE s3_migration.ledger AS l
SET
    problem = CASE
        WHEN n.named AND l.problem = 'withdrawn' THEN 'dangling'
        WHEN n.named THEN 'still_referenced'
    END,
    error_code = NULL,
    copy_missing = false,
    detail = CASE
        WHEN n.named AND l.problem IS DISTINCT FROM 'withdrawn'
            THEN n.holds || ' after it was switched: the application writes it, or a trigger keeps it'
    END
FROM (
    SELECT k.key, bool_or(k.named) AS named, min(k.holds) AS holds
    FROM (
        SELECT u.key, true AS named, format('%%s holds %%L', u.reference, u.path) AS holds
        FROM ({rows_naming_from}) AS u
        UNION ALL
        SELECT l.legacy_key, false, NULL
        FROM s3_migration.ledger AS l
        WHERE l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.problem IN ({states_unswitched})
    ) AS k
    GROUP BY k.key
) AS n
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.legacy_key = n.key
    AND CASE
        WHEN n.named THEN (NOT %(undo)s AND l.problem = 'withdrawn') OR {should_be_switched}
        ELSE l.problem IN ({states_unswitched})
    END
