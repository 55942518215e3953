-- Of the whole migration, whichever run an object belongs to.
SELECT state, count(*) AS objects, count(acknowledged) AS acknowledged
FROM s3_migration.state
WHERE migration_id = %(migration_id)s
GROUP BY state
ORDER BY state
