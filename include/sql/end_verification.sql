UPDATE s3_migration.run AS r
SET
    verified_at = %(since)s,
    damaged = (
        SELECT count(*) FROM s3_migration.ledger AS l
        WHERE l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.kind = 'damaged'
    )
WHERE r.run_no = %(run_no)s
RETURNING damaged
