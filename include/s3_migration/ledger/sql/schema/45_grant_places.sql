GRANT SELECT, INSERT, UPDATE, DELETE ON s3_migration.lane, s3_migration.place TO {role}
