-- Of an undo: our copies that no row names any more, legacy holding the object. The mirror of find_deletable.sql.
SELECT l.legacy_key, l.production_etag
FROM s3_migration.ledger AS l
JOIN s3_migration.run AS r ON r.run_no = l.run_no
JOIN s3_migration.migration AS m ON m.migration_id = l.migration_id
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
    AND l.legacy_key > %(after)s AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
    AND l.gone_at IS NULL
    -- The product may rewrite legacy again: the copy that nobody names is no less ours.
    AND (l.kind IS NULL OR l.kind = 'changed')
    AND l.copied_at IS NOT NULL
    AND l.copied_etag IS NOT NULL
    AND coalesce(l.switched_at, r.switched_at) + r.grace_period <= r.verified_at
    AND r.mode = 'undo' AND r.removes_copies
    AND r.verified_at > now() - %(proof_max_age)s
    AND m.deletion_stopped IS NULL
    AND m.lease_run_no = r.run_no
ORDER BY l.legacy_key
LIMIT %(most)s
