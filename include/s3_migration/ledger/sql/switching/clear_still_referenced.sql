-- Where no row names any more what it was switched from, the problem is over.
UPDATE s3_migration.ledger AS l
SET problem = NULL, error_code = NULL, copy_missing = false, detail = NULL
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
    AND l.legacy_key = ANY(ARRAY(
        SELECT u.key FROM pg_temp.listed_unnamed AS u WHERE u.key > %(after)s AND u.key <= %(last)s
    ))
    AND l.problem IN ({states_unswitched})
