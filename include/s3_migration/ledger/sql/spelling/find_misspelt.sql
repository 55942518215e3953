-- Of the next objects that legacy holds, those of the run that rows name in another spelling. Answers the last of the next
-- ones, whosever they are, and how many were found.
WITH objects AS MATERIALIZED (
    SELECT l.legacy_key AS key, l.run_no = %(run_no)s AS ours, s3_migration.plain_key(l.legacy_key) AS spelling
    FROM s3_migration.ledger AS l
    WHERE l.migration_id = %(migration_id)s AND {in_legacy} AND l.legacy_key > %(after)s
    ORDER BY l.legacy_key
    LIMIT %(limit)s
),

-- … and on as in misspelt.part
