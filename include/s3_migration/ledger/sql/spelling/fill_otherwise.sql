INSERT INTO pg_temp.listed_otherwise (spelling, exact, reference, path, path_prefix)
SELECT f.spelling, f.exact, %(reference)s, f.path, %(path_prefix)s
FROM unnest(%(spellings)s::text[], %(exacts)s::text[], %(paths)s::text[]) AS f (spelling, exact, path)
