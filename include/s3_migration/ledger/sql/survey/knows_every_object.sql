-- Whether the ledger tells what is an object and what is not: a run listed legacy without a limit, whatever its age.
SELECT
    EXISTS (
        SELECT FROM s3_migration.run AS r
        WHERE
            r.migration_id = m.migration_id AND r.listed_at IS NOT NULL AND r.mode <> 'plan'
            AND r.object_limit IS NULL AND r.window_start IS NULL AND r.window_end IS NULL
    )
    AND EXISTS (SELECT FROM s3_migration.ledger AS l WHERE l.migration_id = m.migration_id) AS every
FROM s3_migration.migration AS m
WHERE m.name = %(name)s
