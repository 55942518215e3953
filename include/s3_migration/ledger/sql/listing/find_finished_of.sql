-- What these runs have finished, in some of the ledger's pages.
SELECT l.legacy_key
FROM s3_migration.ledger AS l
WHERE
    l.ctid >= %(first)s::tid AND l.ctid < %(last)s::tid
    AND l.migration_id = %(migration_id)s AND l.legacy_gone_at IS NOT NULL AND l.problem IS NULL
    AND l.run_no = ANY(%(runs)s)
ORDER BY l.legacy_key
