UPDATE s3_migration.migration SET deletion_stopped = NULL WHERE name = %(name)s
