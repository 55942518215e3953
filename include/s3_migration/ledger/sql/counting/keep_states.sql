-- What a range that is finished holds; what it held when it was counted before is none of it any more.
INSERT INTO s3_migration.tally AS t (run_no, step, chunk, what, number)
SELECT %(run_no)s, 'states', %(chunk)s, coalesce(n.state, o.what), coalesce(n.number, 0)
FROM unnest(%(states)s::text[], %(numbers)s::bigint[]) AS n (state, number)
FULL JOIN (
    SELECT k.what FROM s3_migration.tally AS k
    WHERE k.run_no = %(run_no)s AND k.step = 'states' AND k.chunk = %(chunk)s
) AS o ON o.what = n.state
ON CONFLICT (run_no, step, chunk, what) DO UPDATE SET number = excluded.number
