-- What these indexes begin with: a column, or null for an expression. One that begins with another column is read whole.
SELECT DISTINCT a.attname::text AS starts
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid IN (SELECT t.oid FROM {tables} AS t) AND c.relname = ANY(%(indexes)s)
