-- The next of a chunk that is copied, proven and past its grace period: what legacy holds of it may go. Of an
-- undo that was asked to, our copy in production may: legacy holds the object, which the product may rewrite by now.
-- The run's proof, its lease, whether deletion is stopped and whose word it needs stand in the same statement, so that nothing is found once
-- one of them is gone.
SELECT l.legacy_key, CASE WHEN %(undo)s THEN l.production_etag ELSE l.legacy_etag END AS etag
FROM s3_migration.ledger AS l
JOIN s3_migration.run AS r ON r.run_no = l.run_no
JOIN s3_migration.migration AS m ON m.migration_id = l.migration_id
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
    AND l.legacy_key > %(after)s AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
    -- Which objects may go: model/states.py.
    AND {may_be_deleted}
    AND {bytes_proven}
    AND CASE WHEN %(undo)s THEN r.mode = 'undo' AND r.remove_copies ELSE r.mode = 'move' AND r.damaged = 0 END
    -- The proof, and what the grace period counts from, are of a time since which the run has owned the object.
    AND l.owned_since <= r.verified_at
    -- Over when the proof was taken: no later switch or copy rests on an older proof.
    AND {grace_ends} <= r.verified_at
    -- The stores are asked just before; of the rows, that no index lets the batch ask, the last pass over them tells.
    AND (%(rows_asked)s OR {rows_known})
    AND m.deletion_stopped IS NULL
    AND m.lease_run_no = r.run_no
    -- A move's deletions alone need somebody's word.
    AND (%(undo)s OR {approved})
ORDER BY l.legacy_key
LIMIT %(limit)s
