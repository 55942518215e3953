-- What a person has set of the run at work; null: as declared.
SELECT r.requests_in_flight, r.parallel_chunks, r.max_lag
FROM s3_migration.run AS r
WHERE r.run_no = %(run_no)s
