-- Of some pages the keys that rows name below the legacy path and that the listing has not shown, and how many rows. What was
-- found to dangle a moment ago was asked for.
WITH named AS MATERIALIZED (
    SELECT n.key, count(*) AS rows
    FROM (
        SELECT {legacy_key} AS key
        FROM {paths}
        WHERE a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid AND {names_legacy}
    ) AS n
    WHERE n.key IS NOT NULL
    GROUP BY n.key
)

SELECT n.key, n.rows
FROM named AS n
WHERE
    NOT EXISTS (
        SELECT FROM s3_migration.ledger AS l
        WHERE
            l.migration_id = %(migration_id)s AND l.legacy_key = ANY(ARRAY(SELECT k.key FROM named AS k))
            AND l.legacy_key = n.key
            AND {adopted} AND ({in_legacy} OR l.problem = 'dangling')
    )
