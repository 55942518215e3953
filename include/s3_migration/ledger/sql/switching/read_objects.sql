-- For nothing but to have them in memory: a column that is in no index, so that the rows themselves are read.
SELECT count(l.problem)
FROM s3_migration.ledger AS l
WHERE l.migration_id = %(migration_id)s AND l.legacy_key = ANY(%(keys)s)
