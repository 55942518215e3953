SELECT first_key, last_key, objects FROM s3_migration.chunk WHERE run_no = %(run_no)s AND chunk = %(chunk)s
