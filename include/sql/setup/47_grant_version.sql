GRANT SELECT ON s3_migration.schema_version TO {role}
