-- Rows that name an object of the run in another spelling than the declared one. One pass over the tables, and one over the
-- run's objects.
WITH objects AS NOT MATERIALIZED (
    SELECT l.legacy_key AS key
    FROM s3_migration.ledger AS l
    WHERE l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND {in_legacy}
)
-- … and on as in misspelt.part
