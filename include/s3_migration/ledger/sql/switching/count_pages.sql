-- Of the largest of the tables that hold the rows, and how many they are: partitions and children are passed over together.
SELECT
    coalesce(max(pg_relation_size(t.oid) / current_setting('block_size')::bigint), 0)::bigint AS pages,
    count(*) AS tables
FROM {tables} AS t
JOIN pg_class AS c ON c.oid = t.oid AND c.relkind = 'r'
