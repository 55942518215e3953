-- Names of the references of which any run of the migration has switched rows; `*` where a run before version 5 did, which
-- kept no count of each.
SELECT DISTINCT coalesce(substr(o.what, length('rows of ') + 1), '*') AS name
FROM s3_migration.tally AS t
JOIN s3_migration.run AS r ON r.run_no = t.run_no
LEFT JOIN s3_migration.tally AS o
    ON o.run_no = t.run_no AND o.step = t.step AND o.chunk = t.chunk AND starts_with(o.what, 'rows of ') AND o.number > 0
WHERE r.migration_id = %(migration_id)s AND t.what = 'rows' AND t.number > 0
