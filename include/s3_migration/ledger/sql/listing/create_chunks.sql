INSERT INTO s3_migration.chunk (run_no, chunk, first_key, last_key, objects)
SELECT %(run_no)s, c.chunk, c.first_key, c.last_key, c.objects
FROM unnest(%(chunks)s::integer[], %(first_keys)s::text[], %(last_keys)s::text[], %(objects)s::bigint[])
AS c (chunk, first_key, last_key, objects)
