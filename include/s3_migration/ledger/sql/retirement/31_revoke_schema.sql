REVOKE USAGE ON SCHEMA s3_migration FROM {role}
