SELECT migration_id, deletion_stopped, declared FROM s3_migration.migration WHERE name = %(name)s
