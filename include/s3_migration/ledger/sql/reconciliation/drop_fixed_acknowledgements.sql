-- What was acknowledged and is fixed by now would else hide the next problem of the same object. Each is asked for by itself: by
-- the statistics of another night a join might read all of the run.
DELETE FROM s3_migration.acknowledged AS a
WHERE
    a.migration_id = %(migration_id)s
    AND (
        SELECT l.run_no = %(run_no)s AND l.problem IS DISTINCT FROM a.problem
        FROM s3_migration.ledger AS l
        WHERE l.migration_id = a.migration_id AND l.legacy_key = a.legacy_key
    )
