-- The keys that a path may stand for, in their plain spelling: what follows any of the prefixes (plainly spelt), wherever it
-- stands in the path, with and without what a URL may carry after it.
CREATE OR REPLACE FUNCTION s3_migration.possible_keys(path text, prefixes text[], key_prefix text) RETURNS SETOF text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog
AS $$
    SELECT DISTINCT key_prefix || array_to_string(c.parts[i.place:], p.prefix)
    FROM (VALUES (path), (split_part(split_part(path, '?', 1), '#', 1))) AS v (said),
    LATERAL (SELECT s3_migration.plain_spelling(v.said) AS spelt) AS s,
    unnest(prefixes) AS p (prefix),
    LATERAL (
        SELECT CASE WHEN p.prefix = '' THEN ARRAY['', s.spelt] ELSE string_to_array(s.spelt, p.prefix) END AS parts
    ) AS c,
    LATERAL generate_subscripts(c.parts, 1) AS i (place)
    WHERE i.place > 1
$$
