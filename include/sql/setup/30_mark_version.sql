INSERT INTO s3_migration.schema_version (version) VALUES (2) ON CONFLICT DO NOTHING
