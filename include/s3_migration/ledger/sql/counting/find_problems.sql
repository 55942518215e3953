-- The first objects of a range in these states that nobody has acknowledged. What is red by its problem has an index of its
-- own; what is red without one, legacy holds.
SELECT f.legacy_key, f.state, f.detail
FROM (
    (
        SELECT l.legacy_key, l.problem AS state, l.detail
        FROM s3_migration.ledger AS l
        WHERE
            l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
            AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
            AND l.problem IN ({problems}) AND l.problem = ANY(%(states)s)
            AND NOT EXISTS (
                SELECT FROM s3_migration.acknowledged AS a
                WHERE a.migration_id = l.migration_id AND a.legacy_key = l.legacy_key AND a.problem = l.problem
            )
        ORDER BY l.legacy_key
        LIMIT %(limit)s
    )
    UNION ALL
    (
        SELECT l.legacy_key, {state} AS state, l.detail
        FROM s3_migration.ledger AS l
        JOIN s3_migration.run AS r ON r.run_no = l.run_no
        WHERE
            l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
            AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
            AND {in_legacy} AND l.problem IS NULL AND {state} = ANY(%(states)s)
        ORDER BY l.legacy_key
        LIMIT %(limit)s
    )
) AS f
ORDER BY f.legacy_key
LIMIT %(limit)s
