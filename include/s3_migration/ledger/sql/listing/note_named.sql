-- Rows name these objects of the sample. Answers those that it has.
UPDATE {sample} AS s SET named = true, rows = s.rows + b.rows
FROM unnest(%(keys)s::text[], %(rows)s::bigint[]) AS b (key, rows)
WHERE s.key = b.key
RETURNING s.key
