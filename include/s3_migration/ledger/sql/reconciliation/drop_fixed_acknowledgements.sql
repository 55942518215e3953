-- What was acknowledged and is fixed by now would else hide the next problem of the same object.
DELETE FROM s3_migration.acknowledged AS a
USING s3_migration.ledger AS l
WHERE
    a.migration_id = %(migration_id)s
    AND l.migration_id = a.migration_id AND l.legacy_key = a.legacy_key
    AND l.run_no = %(run_no)s AND l.problem IS DISTINCT FROM a.problem
