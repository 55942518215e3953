-- Rows that name the path which the run switches from, of its objects, whatever the reason: by reference. One pass over the
-- tables. A grouping and no join: before the ledger has statistics, a join read the table once for each object.
SELECT r.reference, count(*) AS rows
FROM (
    SELECT n.key, array_agg(n.reference) FILTER (WHERE n.reference IS NOT NULL) AS named_by
    FROM (
        SELECT u.key, u.reference FROM ({rows_naming_from}) AS u
        UNION ALL
        SELECT l.legacy_key, NULL
        FROM s3_migration.ledger AS l
        WHERE l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
    ) AS n
    GROUP BY n.key
    HAVING bool_or(n.reference IS NULL)
) AS k
CROSS JOIN LATERAL unnest(k.named_by) AS r (reference)
GROUP BY r.reference
