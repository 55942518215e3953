-- Of some pages the keys that rows name below the legacy path and that the listing has not shown, and how many rows. What was
-- found to dangle a moment ago was asked for.
SELECT n.key, count(*) AS rows
FROM (
    SELECT {legacy_key} AS key FROM {paths} WHERE a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid AND {names_legacy}
) AS n
WHERE
    n.key IS NOT NULL
    AND NOT EXISTS (
        SELECT FROM s3_migration.ledger AS l
        WHERE
            l.migration_id = %(migration_id)s AND l.legacy_key = n.key
            AND {adopted} AND ({in_legacy} OR l.problem = 'dangling')
    )
GROUP BY n.key
