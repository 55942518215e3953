INSERT INTO {rows} (key) SELECT k.key FROM unnest(%(keys)s::text[]) AS k (key)
