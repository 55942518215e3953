-- What all spellings of one path have in common: percent-decoded (again and again, as some encode what is encoded, and a key
-- may hold such escapes itself), a plus read as a space, without white space around it, repeated slashes as one, in one
-- Unicode normal form, in small letters. plain_key.sql is the same, and quick.
CREATE OR REPLACE FUNCTION s3_migration.plain_spelling(path text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    said text := path;
    decoded text;
BEGIN
    FOR round IN 1..9 LOOP -- more is nobody's spelling, and would take as long as somebody's row is made to
        decoded := s3_migration.url_decode(said);
        EXIT WHEN decoded IS NULL OR decoded = said;
        said := decoded;
    END LOOP;
    -- Twice: what "C" makes of the letters of ASCII is the same for all, of whatever language the database is.
    said := pg_catalog.lower(pg_catalog.lower(pg_catalog.normalize(
        pg_catalog.regexp_replace(
            pg_catalog.btrim(pg_catalog.translate(said, '+', ' '), E' \t\n\r\f\v\u00a0\ufeff'), '/{{2,}}', '/', 'g'
        ),
        'NFC'
    ) COLLATE "C") COLLATE "default");
    RETURN pg_catalog.normalize(said, 'NFC'); -- a small letter may have a composed form where its capital has none
END
$$
