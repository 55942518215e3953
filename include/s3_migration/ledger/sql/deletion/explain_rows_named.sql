-- How the database would answer that, for check and for the deletion to see whether by an index.
EXPLAIN (FORMAT JSON) SELECT DISTINCT {from_key} AS key FROM {paths} WHERE {path} = ANY(%(asked)s)
