-- The run's objects of a piece by state, and how many of them a person has acknowledged.
WITH objects AS NOT MATERIALIZED (
    SELECT l.* FROM s3_migration.ledger AS l
    WHERE
        l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
        AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
)
-- … and on as in states.part
