-- A path that is declared to be percent-encoded, and stands for no text.
SELECT n.path FROM {paths} WHERE {names_from} AND {from_key} IS NULL LIMIT 1
