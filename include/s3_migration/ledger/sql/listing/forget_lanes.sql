DELETE FROM s3_migration.lane WHERE run_no = %(run_no)s
