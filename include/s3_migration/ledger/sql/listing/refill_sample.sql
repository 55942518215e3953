-- What an earlier try of the listing saw: of the next keys that legacy holds. Answers the last of them.
WITH looked AS MATERIALIZED (
    SELECT l.legacy_key AS key, {adopted} AS adopted
    FROM s3_migration.ledger AS l
    WHERE l.migration_id = %(migration_id)s AND {in_legacy} AND l.legacy_key > %(after)s
    ORDER BY l.legacy_key
    LIMIT %(limit)s
),

added AS (
    INSERT INTO {sample} (key) SELECT s.key FROM looked AS s WHERE s.adopted AND {in_sample} ON CONFLICT (key) DO NOTHING
)

SELECT max(k.key) AS last_key FROM looked AS k
