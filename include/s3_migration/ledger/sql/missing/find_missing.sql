-- Of the next problems, whichever they are, the run's copies that are gone from production; and the last of these problems.
WITH slice AS MATERIALIZED (
    SELECT l.legacy_key, l.run_no = %(run_no)s AND {copy_missing} AS missing
    FROM s3_migration.ledger AS l
    WHERE l.migration_id = %(migration_id)s AND l.problem IN ({problems}) AND l.legacy_key > %(after)s
    ORDER BY l.legacy_key
    LIMIT %(limit)s
)

SELECT max(s.legacy_key) AS last, array_agg(s.legacy_key ORDER BY s.legacy_key) FILTER (WHERE s.missing) AS keys
FROM slice AS s
