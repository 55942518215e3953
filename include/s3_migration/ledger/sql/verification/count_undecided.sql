-- Copies of a range that are gone, and of which the rows are still to be asked: by one pass over the tables, for all ranges.
SELECT count(*)
FROM s3_migration.ledger AS l
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
    AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
    AND {copy_missing}
    AND NOT EXISTS (
        SELECT FROM s3_migration.acknowledged AS a
        WHERE a.migration_id = l.migration_id AND a.legacy_key = l.legacy_key AND a.problem = l.problem
    )
