-- A reason for the problem of a key, or for all problems of a problem, as they stand in the ledger now.
INSERT INTO s3_migration.acknowledged AS a (migration_id, legacy_key, problem, reason, run_no)
SELECT l.migration_id, l.legacy_key, l.problem, %(reason)s, %(run_no)s
FROM s3_migration.ledger AS l
WHERE
    l.migration_id = %(migration_id)s AND l.problem = ANY(%(problems)s)
    AND (l.legacy_key = %(key)s OR l.problem = %(problem)s)
ON CONFLICT (migration_id, legacy_key) DO UPDATE SET
    problem = excluded.problem, reason = excluded.reason, run_no = excluded.run_no, acknowledged_at = now()
