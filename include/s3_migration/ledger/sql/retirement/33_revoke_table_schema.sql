REVOKE USAGE ON SCHEMA {table_schema} FROM {role}
