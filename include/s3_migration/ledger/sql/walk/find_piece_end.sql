-- The last key of a piece of so many objects, whose they may be: bounded, however few of them are the run's. None: the rest
-- is no more than that.
SELECT l.legacy_key
FROM s3_migration.ledger AS l
WHERE l.migration_id = %(migration_id)s AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
ORDER BY l.legacy_key
OFFSET %(length)s - 1
LIMIT 1
