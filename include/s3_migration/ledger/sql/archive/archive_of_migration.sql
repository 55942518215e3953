-- A table whose rows name their migration, as anybody can read it. A value that is absent is nothing, an empty one "".
COPY (SELECT a.* FROM {relation} AS a WHERE a.migration_id = %(migration_id)s) TO STDOUT (FORMAT csv, HEADER)
