SELECT chunk FROM s3_migration.chunk WHERE run_no = %(run_no)s AND %(key)s BETWEEN first_key AND last_key
