-- Of the objects that the run's listing found, those that no row names by either path.
SELECT
    coalesce(max(number) FILTER (WHERE what = 'objects'), 0) AS objects,
    coalesce(max(number) FILTER (WHERE what = 'unreferenced'), 0) AS unreferenced
FROM s3_migration.tally
WHERE run_no = %(run_no)s AND step = 'list'
