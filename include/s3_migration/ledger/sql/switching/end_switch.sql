-- Switched again, only what is new starts its grace period now (switch_rows.sql, mark_copied.sql).
UPDATE s3_migration.run SET switched_at = coalesce(switched_at, now()) WHERE run_no = %(run_no)s
