REVOKE UPDATE ({column}) ON {table} FROM {role}
