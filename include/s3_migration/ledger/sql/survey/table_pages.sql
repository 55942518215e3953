-- How large a table is now, with its children and what it stores outside its rows; and the pages of the rows alone.
WITH RECURSIVE tree (member) AS (
    SELECT %(table)s::regclass::oid
    UNION
    SELECT i.inhrelid FROM tree AS t JOIN pg_inherits AS i ON i.inhparent = t.member
)
SELECT
    coalesce(sum(pg_table_size(t.member)), 0)::bigint / current_setting('block_size')::bigint AS pages,
    coalesce(sum(pg_relation_size(t.member)), 0)::bigint / current_setting('block_size')::bigint AS heap_pages
FROM tree AS t
