-- Of a run that is over nothing is set: nobody would read it.
UPDATE s3_migration.run
SET requests_in_flight = %(requests_in_flight)s, parallel_chunks = %(parallel_chunks)s, max_lag = %(max_lag)s
WHERE migration_id = %(migration_id)s AND run_id = %(run_id)s AND finished_at IS NULL
