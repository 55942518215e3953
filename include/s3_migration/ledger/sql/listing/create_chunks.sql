INSERT INTO s3_migration.chunk (run_no, chunk, first_key, last_key, objects)
SELECT %(run_no)s, 1 + (n.row_number - 1) / %(length)s, min(n.legacy_key), max(n.legacy_key), count(*)
FROM (
    SELECT legacy_key, row_number() OVER (ORDER BY legacy_key)
    FROM s3_migration.ledger
    WHERE
        migration_id = %(migration_id)s AND run_no = %(run_no)s
        AND legacy_gone_at IS NULL AND problem IS DISTINCT FROM 'superseded'
) AS n
GROUP BY 2
