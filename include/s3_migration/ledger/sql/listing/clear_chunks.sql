DELETE FROM s3_migration.chunk WHERE run_no = %(run_no)s
