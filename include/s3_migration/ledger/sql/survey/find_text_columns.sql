-- Every column of the product that can hold text, and how to look at it, small tables first. What a child inherits is
-- looked at with its parent (attinhcount), partitions included; what it has beside is its own. pg_class says how large a
-- table was when it was last analyzed: to ask for the size itself would wait for each lock that somebody holds.
WITH RECURSIVE
holds (type, kind, is_array) AS (
    SELECT
        t.oid,
        CASE
            WHEN t.typtype = 'c' THEN 'composite type'
            WHEN t.typname IN ('json', 'jsonb') THEN 'json'
            WHEN t.typname IN ('xml', 'hstore') THEN t.typname::text
            ELSE 'text'
        END,
        false
    FROM pg_type AS t
    WHERE
        t.typtype = 'c'
        OR t.typtype = 'b' AND t.typname IN ('citext', 'hstore')
        OR t.typnamespace = 'pg_catalog'::regnamespace
        AND t.typname IN ('text', 'varchar', 'bpchar', 'json', 'jsonb', 'xml')
    UNION
    SELECT t.oid, h.kind, h.is_array OR t.typtype = 'b'
    FROM holds AS h
    JOIN pg_type AS t
        ON t.typtype = 'd' AND t.typbasetype = h.type
        OR t.typtype = 'b' AND t.typcategory = 'A' AND t.typelem = h.type
),
tree (root, member) AS (
    SELECT c.oid, c.oid FROM pg_class AS c WHERE c.relkind IN ('r', 'p', 'm', 'f')
    UNION
    SELECT t.root, i.inhrelid FROM tree AS t JOIN pg_inherits AS i ON i.inhparent = t.member
),
size (root, members, pages, rows) AS (
    SELECT
        t.root, count(*), sum(c.relpages),
        -- Of a partitioned table the rows are its partitions'. Null: one of them was never analyzed.
        CASE WHEN bool_and(c.reltuples >= 0 OR c.relkind = 'p') THEN
            sum(c.reltuples) FILTER (WHERE c.relkind <> 'p')
        END
    FROM tree AS t
    JOIN pg_class AS c ON c.oid = t.member
    GROUP BY t.root
)
SELECT
    n.nspname::text AS schema,
    c.relname::text AS table,
    a.attname::text AS column,
    format_type(a.atttypid, a.atttypmod) AS type,
    CASE WHEN h.is_array THEN 'array' ELSE h.kind END AS kind,
    c.relkind::text AS relation,
    s.members > 1 AS has_children,
    a.attgenerated <> '' AS is_generated,
    has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT') AS may_read,
    s.rows::float8 AS rows
FROM pg_attribute AS a
JOIN holds AS h ON h.type = a.atttypid
JOIN pg_class AS c ON c.oid = a.attrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN size AS s ON s.root = c.oid
WHERE
    a.attnum > 0 AND NOT a.attisdropped AND a.attinhcount = 0
    AND c.relkind IN ('r', 'p', 'm', 'f')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 's3_migration')
    AND n.nspname !~ '^pg_(toast|temp)'
ORDER BY s.pages, n.nspname, c.relname, a.attnum
