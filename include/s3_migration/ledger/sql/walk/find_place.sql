SELECT p.after_key, p.ended
FROM s3_migration.place AS p
JOIN s3_migration.run AS r ON r.run_no = p.run_no
WHERE p.run_no = %(run_no)s AND p.step = %(step)s AND p.chunk = %(chunk)s AND p.begun_at >= r.listed_at
