-- The one column, and no other.
GRANT UPDATE ({column}) ON {table} TO {role}
