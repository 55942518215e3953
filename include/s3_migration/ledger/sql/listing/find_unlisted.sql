-- Of the next keys that legacy should hold, those that the listing has not shown, and the last one that was looked at.
WITH looked AS MATERIALIZED (
    SELECT l.legacy_key, {adopted} AS adopted
    FROM s3_migration.ledger AS l
    WHERE l.migration_id = %(migration_id)s AND {in_legacy} AND l.legacy_key > %(after)s
    ORDER BY l.legacy_key
    LIMIT %(limit)s
)

SELECT max(k.legacy_key) AS last_key, array_agg(k.legacy_key ORDER BY k.legacy_key) FILTER (WHERE NOT k.adopted) AS keys
FROM looked AS k
