INSERT INTO s3_migration.place AS p (run_no, step, chunk, after_key, ended)
VALUES (%(run_no)s, %(step)s, %(chunk)s, %(after)s, %(ended)s)
ON CONFLICT (run_no, step, chunk) DO UPDATE SET
    after_key = excluded.after_key,
    ended = excluded.ended,
    begun_at = CASE
        WHEN p.begun_at >= (SELECT r.listed_at FROM s3_migration.run AS r WHERE r.run_no = %(run_no)s) THEN p.begun_at
        ELSE excluded.begun_at
    END
