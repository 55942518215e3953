-- Keys that rows name below the legacy path and that the listing did not show. One pass over the tables.
INSERT INTO {rows} (key)
SELECT DISTINCT n.key
FROM ({rows_naming_legacy}) AS n
WHERE n.key IS NOT NULL AND NOT EXISTS (SELECT FROM {legacy} AS s WHERE s.key = n.key)
