-- The legacy keys of those of these paths that a row holds. Only where an index on the column can answer it.
SELECT DISTINCT {from_key} AS key FROM {paths} WHERE {path} = ANY(%(asked)s)
