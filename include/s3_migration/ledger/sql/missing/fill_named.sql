INSERT INTO pg_temp.listed_named (key) SELECT unnest(%(keys)s::text[]) ON CONFLICT DO NOTHING
