UPDATE s3_migration.run SET switched_at = now() WHERE run_no = %(run_no)s
