-- Of what legacy is empty the next that is red, and that this run has not looked at yet.
SELECT l.legacy_key
FROM s3_migration.ledger AS l
WHERE
    l.migration_id = %(migration_id)s AND l.legacy_gone_at IS NOT NULL AND l.problem IN ({problems})
    AND NOT {adopted} AND l.legacy_key > %(after)s
ORDER BY l.legacy_key
LIMIT %(limit)s
