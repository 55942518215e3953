-- What stands between us and the declared column: null where the table or the column is not there.
SELECT
    c.relkind::text AS kind,
    format_type(t.oid, NULL) AS type,
    information_schema._pg_char_max_length(t.oid, a.atttypmod) AS length,
    -- Of the whole table: rows are switched by their place, a column that no one can be granted.
    has_table_privilege(c.oid, 'SELECT') AS may_select,
    row_security_active(c.oid) AS hides_rows,
    has_column_privilege(c.oid, a.attnum, 'UPDATE') AS may_update,
    pg_encoding_to_char(d.encoding) AS encoding
FROM pg_database AS d
LEFT JOIN pg_class AS c ON c.oid = to_regclass(%(table)s)
LEFT JOIN pg_attribute AS a
    ON a.attrelid = c.oid AND a.attname = %(column)s AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_type AS t ON t.oid = a.atttypid
WHERE d.datname = current_database()
