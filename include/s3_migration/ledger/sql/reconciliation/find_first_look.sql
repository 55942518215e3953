-- How long ago the first look was over; no row: it is not.
SELECT clock_timestamp() - p.begun_at AS ago
FROM s3_migration.place AS p
JOIN s3_migration.run AS r ON r.run_no = p.run_no
WHERE p.run_no = %(run_no)s AND p.step = 'settle' AND p.begun_at >= r.listed_at
