-- plain_spelling of a key, of which most are next to plain: a tenth of the time where all keys of a run are spelt out. Without
-- settings of its own, so that it is made part of the statement that asks for it.
CREATE OR REPLACE FUNCTION s3_migration.plain_key(key text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE
        WHEN key COLLATE "C" ~ '^[A-Za-z0-9_./-]*$' AND position('//' IN key) = 0 THEN lower(key COLLATE "C")
        ELSE s3_migration.plain_spelling(key)
    END
$$
