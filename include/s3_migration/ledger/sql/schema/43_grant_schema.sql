GRANT USAGE ON SCHEMA s3_migration TO {role}
