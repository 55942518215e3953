-- Before the pass: what was not as it should be when it was looked at last. Of the next problems, whichever they are, so that
-- no look is longer than another; answers the last of them.
WITH slice AS MATERIALIZED (
    SELECT l.legacy_key, l.run_no, l.problem
    FROM s3_migration.ledger AS l
    WHERE l.migration_id = %(migration_id)s AND l.problem IN ({problems}) AND l.legacy_key > %(after)s
    ORDER BY l.legacy_key
    LIMIT %(limit)s
),

kept AS (
    INSERT INTO pg_temp.listed_unnamed (key)
    SELECT s.legacy_key FROM slice AS s WHERE s.run_no = %(run_no)s AND s.problem IN ({states_unswitched})
)

SELECT max(s.legacy_key) FROM slice AS s
