-- Objects of the chunks: all, and those of which both sides were compared since.
SELECT
    coalesce(sum(c.objects), 0)::bigint AS objects,
    coalesce(sum(c.objects) FILTER (WHERE p.ended), 0)::bigint AS compared
FROM s3_migration.chunk AS c
LEFT JOIN s3_migration.place AS p ON p.run_no = c.run_no AND p.step = 'verify' AND p.chunk = c.chunk
WHERE c.run_no = %(run_no)s
