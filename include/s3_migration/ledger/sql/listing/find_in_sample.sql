SELECT s.key FROM {sample} AS s WHERE s.key = ANY(%(keys)s::text[])
