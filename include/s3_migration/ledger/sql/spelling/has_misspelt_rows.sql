-- Whether any row can name an object in another spelling: where none can, no object's spelling need be worked out.
SELECT EXISTS (
    SELECT
    FROM ({rows_spelt_otherwise}) AS n
    CROSS JOIN LATERAL s3_migration.possible_keys(n.path, n.prefixes, n.key_prefix) AS p (spelling)
    WHERE
        NOT EXISTS (
            SELECT FROM s3_migration.ledger AS k
            WHERE
                k.migration_id = %(migration_id)s AND k.legacy_key = n.exact AND k.problem IS DISTINCT FROM 'dangling'
        )
)
