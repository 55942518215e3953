INSERT INTO s3_migration.tally AS t (run_no, step, chunk, what, number)
VALUES (%(run_no)s, %(step)s, %(chunk)s, %(what)s, %(number)s)
ON CONFLICT (run_no, step, chunk, what) DO UPDATE SET
    number = excluded.number + CASE WHEN %(add)s THEN t.number ELSE 0 END
