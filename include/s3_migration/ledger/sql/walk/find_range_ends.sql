SELECT chunk, last_key, objects FROM s3_migration.chunk WHERE run_no = %(run_no)s ORDER BY last_key
