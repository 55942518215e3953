-- A table whose rows name their run.
COPY (
    SELECT a.*
    FROM {relation} AS a
    JOIN s3_migration.run AS r ON r.run_no = a.run_no
    WHERE r.migration_id = %(migration_id)s
) TO STDOUT (FORMAT csv, HEADER)
