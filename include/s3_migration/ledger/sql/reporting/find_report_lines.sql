-- What became of the objects of a piece, one line each: a value that is absent is nothing, an empty one "".
COPY (
    SELECT
        {state} AS state,
        l.legacy_key,
        %(production_prefix)s || substr(l.legacy_key, %(legacy_rest)s) AS production_key,
        l.legacy_size AS bytes,
        l.legacy_etag,
        l.legacy_modified,
        l.copied_etag,
        l.production_etag,
        l.production_modified AS copied_at,
        l.legacy_gone_at,
        l.error_code,
        l.detail,
        a.reason AS acknowledged,
        r.run_id
    FROM s3_migration.ledger AS l
    JOIN s3_migration.run AS r ON r.run_no = l.run_no
    LEFT JOIN s3_migration.acknowledged AS a
        ON a.migration_id = l.migration_id AND a.legacy_key = l.legacy_key AND a.problem = l.problem
    WHERE l.migration_id = %(migration_id)s AND l.legacy_key BETWEEN %(first)s AND %(last)s
    ORDER BY l.legacy_key
) TO STDOUT (FORMAT csv, HEADER)
