-- Some rows that will be switched, for check to try it out on: the first that are found. One whose percent-encoding is
-- none names no object, and stays.
SELECT DISTINCT t.relation, t.ctid::text
FROM (SELECT a.tableoid AS relation, a.ctid FROM {paths} WHERE {names_from} AND {from_key} IS NOT NULL LIMIT %(limit)s) AS t
