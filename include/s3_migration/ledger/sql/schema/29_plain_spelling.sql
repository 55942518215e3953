-- What all spellings of one path have in common: percent-decoded (twice, as some encode what is encoded), a plus read as a
-- space, without white space around it, repeated slashes as one, in one Unicode normal form, in small letters.
CREATE OR REPLACE FUNCTION s3_migration.plain_spelling(path text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog
AS $$
    SELECT lower(normalize(
        regexp_replace(btrim(translate(d.twice, '+', ' '), E' \t\n\r\f\v\u00a0\ufeff'), '/{{2,}}', '/', 'g'), NFC
    ))
    FROM (SELECT coalesce(s3_migration.url_decode(path), path) AS once) AS o,
    LATERAL (SELECT coalesce(s3_migration.url_decode(o.once), o.once) AS twice) AS d
$$
