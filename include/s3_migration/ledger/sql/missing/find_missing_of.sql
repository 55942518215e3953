-- Which of these are copies of the run that are gone from production.
SELECT l.legacy_key
FROM s3_migration.ledger AS l
WHERE l.migration_id = %(migration_id)s AND l.legacy_key = ANY(%(keys)s) AND l.run_no = %(run_no)s AND {copy_missing}
