-- What one row holds, by its primary key: what is asked for has whatever type that has.
SELECT n.path
FROM {paths}
WHERE a.{row_id} = %(row_id)s AND n.path IS NOT NULL
LIMIT 100
