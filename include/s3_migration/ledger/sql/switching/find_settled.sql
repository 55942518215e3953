-- The last key of the next slice of what a pass has found, or a former one had.
SELECT max(s.key)
FROM (
    SELECT f.key
    FROM (
        (SELECT u.key FROM pg_temp.listed_unnamed AS u WHERE u.key > %(after)s ORDER BY u.key LIMIT %(limit)s)
        UNION
        (SELECT m.key FROM pg_temp.listed_misspelt AS m WHERE m.key > %(after)s ORDER BY m.key LIMIT %(limit)s)
        UNION
        (
            SELECT l.legacy_key
            FROM s3_migration.ledger AS l
            WHERE l.migration_id = %(migration_id)s AND l.problem IN ({problems}) AND l.legacy_key > %(after)s
            ORDER BY l.legacy_key
            LIMIT %(limit)s
        )
    ) AS f
    ORDER BY f.key
    LIMIT %(limit)s
) AS s
