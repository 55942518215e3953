-- The same of what legacy still holds: what is finished is not read.
SELECT l.legacy_key
FROM s3_migration.ledger AS l
WHERE
    l.migration_id = %(migration_id)s AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s AND {in_legacy}
ORDER BY l.legacy_key
OFFSET %(length)s - 1
LIMIT 1
