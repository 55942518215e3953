-- What the migration is declared with from now on. No proof that was taken before asked the rows of a reference that is new.
WITH unproven AS (
    UPDATE s3_migration.run SET verified_at = NULL WHERE migration_id = %(migration_id)s AND verified_at IS NOT NULL
)

UPDATE s3_migration.migration SET declared = %(declared)s::jsonb WHERE migration_id = %(migration_id)s
