INSERT INTO s3_migration.timing (run_no, step, chunk, started_at)
VALUES (%(run_no)s, %(step)s, %(chunk)s, clock_timestamp())
ON CONFLICT (run_no, step, chunk) DO UPDATE SET started_at = excluded.started_at, ended_at = NULL
