-- Some of the values that count_finds.sql counted, from all over the sample: those that lie together are often alike. Of a
-- value that is too long to take apart only what stands around the find.
SELECT
    CASE
        WHEN length(f.value) <= 20000 THEN f.value
        ELSE substr(
            f.value,
            greatest(1, (SELECT min(nullif(strpos(f.value, n.needle), 0)) FROM unnest(%(needles)s::text[]) AS n (needle)) - 200),
            1000
        )
    END AS value,
    length(f.value) > 20000 AS cut
FROM (
    SELECT v.value
    FROM (
        SELECT (CASE WHEN %(as_json)s THEN to_json(t.{column})::text ELSE t.{column}::text END) COLLATE "C" AS value
        FROM {table} AS t TABLESAMPLE SYSTEM (%(percent)s::real) REPEATABLE (1)
    ) AS v
    WHERE v.value LIKE ANY (%(patterns)s::text[])
    ORDER BY random()
    LIMIT %(limit)s
) AS f
