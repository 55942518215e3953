-- Rows do name them.
DELETE FROM pg_temp.listed_unnamed WHERE key = ANY(%(keys)s)
