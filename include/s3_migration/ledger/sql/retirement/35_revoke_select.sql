REVOKE SELECT ON {table} FROM {role}
