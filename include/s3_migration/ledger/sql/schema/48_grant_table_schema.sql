GRANT USAGE ON SCHEMA {table_schema} TO {role}
