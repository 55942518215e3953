-- How many of the listed objects a row names, by either path, and how many rows wait to be switched. One pass.
SELECT count(*) AS referenced, coalesce(sum(k.rows), 0)::bigint AS rows_to_switch
FROM (
    SELECT s.key, count(*) FILTER (WHERE n.legacy) AS rows
    FROM ({rows_naming_either}) AS n
    JOIN {legacy} AS s ON s.key = n.key
    GROUP BY s.key
) AS k
