-- The same of the end of a table that was only sampled: what a new release of the product writes is there first.
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
        FROM {table} AS t
        WHERE t.ctid >= %(first)s::tid
    ) AS v
    WHERE v.value LIKE ANY (%(patterns)s::text[])
    LIMIT %(limit)s
) AS f
