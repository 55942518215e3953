SELECT n.key FROM pg_temp.listed_named AS n WHERE n.key = ANY(%(keys)s)
