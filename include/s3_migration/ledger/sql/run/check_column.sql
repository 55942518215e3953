-- What stands between us and a declared column: null where the table or the column is not there.
WITH RECURSIVE base (oid, modifier) AS ( -- the type that a domain stands for
    SELECT a.atttypid, a.atttypmod
    FROM pg_attribute AS a
    WHERE a.attrelid = to_regclass(%(table)s) AND a.attname = %(column)s AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT t.typbasetype, t.typtypmod FROM base AS b JOIN pg_type AS t ON t.oid = b.oid AND t.typtype = 'd'
)

SELECT
    c.relkind::text AS kind,
    CASE WHEN t.typcategory = 'A' THEN e.typname || '[]' ELSE t.typname END AS type,
    nullif(information_schema._pg_char_max_length(
        CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE t.oid END, b.modifier
    ), -1) AS length,
    -- Of the whole table: rows are switched by their place, a column that no one can be granted.
    has_table_privilege(c.oid, 'SELECT') AS may_select,
    row_security_active(c.oid) AS hides_rows,
    has_column_privilege(c.oid, a.attnum, 'UPDATE') AS may_update,
    a.attgenerated <> '' AS generated,
    NOT l.collisdeterministic AS nondeterministic,
    (SELECT min(i.inhparent::regclass::text) FROM pg_inherits AS i WHERE i.inhrelid = c.oid) AS part_of,
    (
        SELECT min(f.oid::regclass::text) FROM pg_class AS f
        WHERE c.oid IS NOT NULL AND f.relkind = 'f' AND f.oid IN (SELECT i.oid FROM {tables} AS i)
    ) AS foreign_part,
    (
        SELECT min(f.conrelid::regclass::text) FROM pg_constraint AS f
        WHERE f.contype = 'f' AND f.confrelid = c.oid AND a.attnum = ANY(f.confkey) AND f.confupdtype <> 'c'
    ) AS referenced_by,
    (
        SELECT min(f.confrelid::regclass::text) FROM pg_constraint AS f
        WHERE f.contype = 'f' AND f.conrelid = c.oid AND a.attnum = ANY(f.conkey)
    ) AS follows,
    (
        SELECT min(o.relnamespace::regnamespace::text) FROM pg_class AS o
        WHERE
            c.oid IS NULL AND o.relname = %(name)s AND o.relkind IN ('r', 'p')
            AND o.relnamespace <> 'pg_catalog'::regnamespace
    ) AS elsewhere,
    pg_encoding_to_char(d.encoding) AS encoding,
    pg_is_in_recovery() AS standby,
    r.rolconnlimit AS connections
FROM pg_database AS d
JOIN pg_roles AS r ON r.rolname = current_user
LEFT JOIN pg_class AS c ON c.oid = to_regclass(%(table)s)
LEFT JOIN pg_attribute AS a
    ON a.attrelid = c.oid AND a.attname = %(column)s AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN (SELECT * FROM base AS i WHERE NOT EXISTS (
    SELECT FROM pg_type AS t WHERE t.oid = i.oid AND t.typtype = 'd'
)) AS b ON true
LEFT JOIN pg_type AS t ON t.oid = b.oid
LEFT JOIN pg_type AS e ON e.oid = t.typelem
LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
WHERE d.datname = current_database()
