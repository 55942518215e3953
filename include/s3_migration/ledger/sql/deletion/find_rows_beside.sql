-- Rows that contain the legacy path without beginning with it: a few show what they have in common.
SELECT a.{column} AS path
FROM {table} AS a
WHERE position(%(legacy_path_prefix)s IN a.{column}) > 1
LIMIT %(limit)s
