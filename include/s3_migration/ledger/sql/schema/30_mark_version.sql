INSERT INTO s3_migration.schema_version (version) VALUES ({version}) ON CONFLICT DO NOTHING
