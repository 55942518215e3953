INSERT INTO {sample} (key)
SELECT s.key
FROM {legacy} AS s
WHERE {in_sample} AND NOT EXISTS (
    SELECT FROM {sample} AS x WHERE x.key = ANY(ARRAY(SELECT k.key FROM {legacy} AS k)) AND x.key = s.key
)
