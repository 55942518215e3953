INSERT INTO s3_migration.chunk (run_no, chunk, first_key, last_key, objects)
SELECT %(run_no)s, 1 + (n.row_number - 1) / %(length)s, min(n.legacy_key), max(n.legacy_key), count(*)
FROM (
    SELECT l.legacy_key, row_number() OVER (ORDER BY l.legacy_key)
    FROM s3_migration.ledger AS l
    WHERE l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND {concerns_chunks}
) AS n
GROUP BY 2
