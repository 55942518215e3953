-- How many rows name what is searched, of those looked at. Of a table that is small enough the sample is the whole of it.
-- An array or an hstore is searched as JSON, which can be taken apart again. COLLATE: LIKE refuses nondeterministic ones.
SELECT count(*) AS rows, count(*) FILTER (WHERE v.value LIKE ANY (%(patterns)s::text[])) AS found
FROM (
    SELECT (CASE WHEN %(as_json)s THEN to_json(t.{column})::text ELSE t.{column}::text END) COLLATE "C" AS value
    FROM {table} AS t TABLESAMPLE SYSTEM (%(percent)s::real) REPEATABLE (1)
) AS v
