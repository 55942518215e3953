-- Whether something that might be deleted came to the run after its proof was taken: taken back from a later run.
SELECT EXISTS (
    SELECT
    FROM s3_migration.ledger AS l
    JOIN s3_migration.run AS r ON r.run_no = l.run_no
    WHERE
        l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
        AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
        AND {may_be_deleted}
        AND l.owned_since > r.verified_at
)
