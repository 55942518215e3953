SELECT lane, start_key AS start, first_keys AS first, last_key AS last, token FROM s3_migration.lane
WHERE run_no = %(run_no)s
ORDER BY lane
