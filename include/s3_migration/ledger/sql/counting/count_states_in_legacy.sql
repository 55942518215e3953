-- The same of what legacy still holds: what is finished is not read.
WITH objects AS NOT MATERIALIZED (
    SELECT l.* FROM s3_migration.ledger AS l
    WHERE
        l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND {in_legacy}
        AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
)
-- … and on as in states.part
