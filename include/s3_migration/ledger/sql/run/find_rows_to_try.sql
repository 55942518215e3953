-- Some rows that will be switched, for check to try it out on: the first that are found.
SELECT DISTINCT t.relation, t.ctid::text
FROM (SELECT a.tableoid AS relation, a.ctid FROM {paths} WHERE {names_from} LIMIT %(limit)s) AS t
