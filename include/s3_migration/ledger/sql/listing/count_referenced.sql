-- How many of the listed objects a row names, by either path, and how many rows wait to be switched. One pass.
SELECT count(*) AS referenced, coalesce(sum(k.rows), 0)::bigint AS rows_to_switch
FROM (
    SELECT s.key, count(*) FILTER (WHERE n.legacy) AS rows
    FROM {table} AS a
    CROSS JOIN LATERAL (
        SELECT
            starts_with(a.{column}, %(legacy_path_prefix)s) AS legacy,
            CASE
                WHEN starts_with(a.{column}, %(legacy_path_prefix)s)
                    THEN %(legacy_prefix)s || substr(a.{column}, %(legacy_path_rest)s)
                WHEN starts_with(a.{column}, %(production_path_prefix)s)
                    THEN %(legacy_prefix)s || substr(a.{column}, %(production_path_rest)s)
            END AS key
    ) AS n
    JOIN {legacy} AS s ON s.key = n.key COLLATE "C"
    GROUP BY s.key
) AS k
