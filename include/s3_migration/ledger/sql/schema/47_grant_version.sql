GRANT SELECT ON s3_migration.schema_version, s3_migration.state TO {role}
