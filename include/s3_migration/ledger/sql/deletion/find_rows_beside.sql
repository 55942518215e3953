-- Rows that contain the legacy path without beginning with it: a few show what they have in common.
SELECT n.path FROM {paths} WHERE position(%(inside)s IN n.path) > 1 LIMIT %(limit)s
