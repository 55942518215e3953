-- Of these walks: of one chunk, or of all.
DELETE FROM s3_migration.place
WHERE run_no = %(run_no)s AND step = ANY(%(steps)s) AND (%(chunk)s::integer IS NULL OR chunk = %(chunk)s)
