UPDATE s3_migration.run SET finished_at = now(), account = %(account)s WHERE run_no = %(run_no)s
