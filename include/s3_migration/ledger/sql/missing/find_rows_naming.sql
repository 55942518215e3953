-- The legacy keys of those of these paths, of either side, that a row holds. Only where an index on the column can answer it.
SELECT DISTINCT {either_key} AS key FROM {paths} WHERE {path} = ANY(%(asked)s) AND {names_either}
