-- Rows that name the path which the run switches from, of its objects, whatever the reason. One pass over the tables. A
-- grouping and no join: before the ledger has statistics, a join read the table once for each object.
SELECT coalesce(sum(k.rows) FILTER (WHERE k.ours), 0)::bigint
FROM (
    SELECT n.key, sum(n.rows) AS rows, bool_or(n.ours) AS ours
    FROM (
        SELECT u.key, 1 AS rows, false AS ours FROM ({rows_naming_from}) AS u
        UNION ALL
        SELECT l.legacy_key, 0, true
        FROM s3_migration.ledger AS l
        WHERE l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
    ) AS n
    GROUP BY n.key
) AS k
