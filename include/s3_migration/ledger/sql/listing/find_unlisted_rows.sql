-- Of some pages the keys that rows name below the legacy path and that the listing has not shown, and how many rows. What was
-- found to dangle a moment ago was asked for.
WITH unknown AS MATERIALIZED (
    SELECT n.key
    FROM (
        SELECT {legacy_key} AS key
        FROM {paths}
        WHERE a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid AND {names_legacy}
    ) AS n
    WHERE n.key IS NOT NULL
)

SELECT u.key, count(*) AS rows
FROM unknown AS u
-- … and on as in unlisted.part
