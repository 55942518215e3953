-- Of some pages the keys of the sample that rows name, by either path, and how many rows by the legacy one.
SELECT s.key, count(*) FILTER (WHERE s.legacy) AS rows
FROM (
    SELECT {either_key} AS key, {names_legacy} AS legacy
    FROM {paths}
    WHERE a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid AND {names_either}
) AS s
WHERE {in_sample}
GROUP BY s.key
