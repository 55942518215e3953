-- A try that has ended is kept beside the one that begins, under a number below zero: what it took counts as well
-- (find_timings.sql). Of one that was killed nobody knows when it ended: it counts for nothing. Chunks are 200 at most.
WITH kept AS (
    INSERT INTO s3_migration.timing (run_no, step, chunk, started_at, ended_at)
    SELECT
        t.run_no,
        t.step,
        t.chunk - 100000 * (
            SELECT 1 + count(*) FROM s3_migration.timing AS e
            WHERE e.run_no = t.run_no AND e.step = t.step AND e.chunk < 0
        ),
        t.started_at,
        t.ended_at
    FROM s3_migration.timing AS t
    WHERE t.run_no = %(run_no)s AND t.step = %(step)s AND t.chunk = %(chunk)s AND t.ended_at IS NOT NULL
    ON CONFLICT DO NOTHING
)

INSERT INTO s3_migration.timing (run_no, step, chunk, started_at)
VALUES (%(run_no)s, %(step)s, %(chunk)s, clock_timestamp())
ON CONFLICT (run_no, step, chunk) DO UPDATE SET started_at = excluded.started_at, ended_at = NULL
