GRANT SELECT, INSERT, UPDATE, DELETE ON s3_migration.acknowledged TO {role}
