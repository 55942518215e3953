-- A table that is about no single migration.
COPY (SELECT a.* FROM {relation} AS a) TO STDOUT (FORMAT csv, HEADER)
