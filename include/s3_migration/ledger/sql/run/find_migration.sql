SELECT migration_id, deletion_stopped FROM s3_migration.migration WHERE name = %(name)s
