-- Rows were asked since then, and how long that took bounds how long it serves (find_deletable.sql).
UPDATE s3_migration.run AS r
SET
    verified_at = %(since)s,
    rows_asked_for = now() - %(since)s,
    damaged = (
        SELECT count(*) FROM s3_migration.ledger AS l
        WHERE
            l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.problem = 'damaged'
            AND NOT EXISTS (
                SELECT FROM s3_migration.acknowledged AS a
                WHERE a.migration_id = l.migration_id AND a.legacy_key = l.legacy_key AND a.problem = l.problem
            )
    )
WHERE r.run_no = %(run_no)s
RETURNING damaged
