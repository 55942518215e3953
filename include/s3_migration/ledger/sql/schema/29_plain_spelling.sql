-- What all spellings of one path have in common: percent-decoded (again and again, as some encode what is encoded, and a key
-- may hold such escapes itself), a plus read as a space, without white space around it, repeated slashes as one, in one
-- Unicode normal form, in small letters.
CREATE OR REPLACE FUNCTION s3_migration.plain_spelling(path text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog
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
    RETURN lower(normalize(
        regexp_replace(btrim(translate(said, '+', ' '), E' \t\n\r\f\v\u00a0\ufeff'), '/{{2,}}', '/', 'g'), NFC
    ));
END
$$
