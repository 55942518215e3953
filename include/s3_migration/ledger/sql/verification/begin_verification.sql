-- Until it ends no proof is there, and nothing may be deleted.
UPDATE s3_migration.run SET verified_at = NULL, damaged = NULL WHERE run_no = %(run_no)s
