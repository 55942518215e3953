-- Which of these keys are objects of the migration, or were: what a value names that is none is no path.
SELECT l.legacy_key
FROM s3_migration.ledger AS l
JOIN s3_migration.migration AS m ON m.migration_id = l.migration_id
WHERE m.name = %(name)s AND l.legacy_key = ANY (%(keys)s::text[])
ORDER BY l.legacy_key
