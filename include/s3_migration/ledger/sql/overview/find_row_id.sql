-- The one column that is the primary key of a reference's table; none where it has several, or no key at all.
SELECT a.attname::text AS name
FROM pg_index AS i
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = %(table)s::regclass AND i.indisprimary AND i.indnkeyatts = 1
