-- The same as find_sampled.sql, in the session that holds the sample: of a hundred million rows, when little was listed, nearly
-- all name production's side of what is finished, and none of these is answered. What rows name by the legacy path is, whether
-- it was listed or not.
SELECT s.key, count(*) FILTER (WHERE s.legacy) AS rows
FROM (
    SELECT {either_key} AS key, {names_legacy} AS legacy
    FROM {paths}
    WHERE a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid AND {names_either}
) AS s
LEFT JOIN {sample} AS x ON x.key = s.key
WHERE {in_sample} AND (s.legacy OR x.key IS NOT NULL)
GROUP BY s.key
