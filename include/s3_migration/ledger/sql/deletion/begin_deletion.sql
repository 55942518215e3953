-- Committed before anything is sent: whoever must not act beside these deletions waits for them (deletions_left.sql), also
-- where we die. By the clock and not by the transaction, which may have waited for a lock.
INSERT INTO s3_migration.deletion (migration_id, run_no, chunk, deleting_until)
VALUES (%(migration_id)s, %(run_no)s, %(chunk)s, clock_timestamp() + %(lasts)s)
RETURNING deletion_no
