UPDATE s3_migration.timing SET ended_at = clock_timestamp()
WHERE run_no = %(run_no)s AND step = %(step)s AND chunk = %(chunk)s
