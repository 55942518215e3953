SELECT max(version) FROM s3_migration.schema_version
