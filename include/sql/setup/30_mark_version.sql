INSERT INTO s3_migration.schema_version (version) VALUES (1) ON CONFLICT DO NOTHING
