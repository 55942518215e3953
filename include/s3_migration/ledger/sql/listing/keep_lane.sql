-- Where a lane stands, in the transaction that merges what it has listed. Its first page stays as it was: it is many keys.
INSERT INTO s3_migration.lane AS a (run_no, lane, start_key, first_keys, last_key, token)
VALUES (%(run_no)s, %(lane)s, %(start)s, %(first)s, %(last)s, %(token)s)
ON CONFLICT (run_no, lane) DO UPDATE SET last_key = excluded.last_key, token = excluded.token
