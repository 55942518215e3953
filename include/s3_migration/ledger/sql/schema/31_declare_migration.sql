-- The declared migration gets its row; the role may not make one up.
INSERT INTO s3_migration.migration (name) VALUES ({name}) ON CONFLICT DO NOTHING
