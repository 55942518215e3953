-- Of the next keys that legacy holds those that mapped tasks can do something about, cut into chunks: `taken` are in chunks
-- already. Chunks are counted from 0; of the others null.
WITH looked AS MATERIALIZED (
    SELECT l.legacy_key, l.run_no = %(run_no)s AND {concerns_chunks} AS ours
    FROM s3_migration.ledger AS l
    WHERE l.migration_id = %(migration_id)s AND {in_legacy} AND l.legacy_key > %(after)s
    ORDER BY l.legacy_key
    LIMIT %(limit)s
)

SELECT
    CASE WHEN n.ours THEN (%(taken)s + n.place - 1) / %(length)s END AS chunk,
    min(n.legacy_key) AS first_key, max(n.legacy_key) AS last_key, count(*) AS objects
FROM (
    SELECT k.legacy_key, k.ours, count(*) FILTER (WHERE k.ours) OVER (ORDER BY k.legacy_key) AS place FROM looked AS k
) AS n
GROUP BY 1
ORDER BY 1
