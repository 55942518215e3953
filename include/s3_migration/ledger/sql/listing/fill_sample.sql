INSERT INTO {sample} (key) SELECT s.key FROM {legacy} AS s WHERE {in_sample} ON CONFLICT (key) DO NOTHING
