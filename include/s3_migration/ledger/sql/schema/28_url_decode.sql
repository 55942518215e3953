-- What a percent-encoded text stands for; null where that is no UTF-8 text, and for a NUL, which no text of ours holds. A
-- sign of per cent without two hexadecimal digits is itself, as browsers read it.
CREATE OR REPLACE FUNCTION s3_migration.url_decode(encoded text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog
AS $$
DECLARE
    bytes bytea;
BEGIN
    IF position('%' IN encoded) = 0 THEN
        RETURN encoded;
    END IF;
    SELECT string_agg(
        CASE WHEN m.part[1] ~ '^%..' THEN decode(substr(m.part[1], 2), 'hex') ELSE convert_to(m.part[1], 'UTF8') END,
        '' ORDER BY m.place
    )
    INTO bytes
    FROM regexp_matches(encoded, '%[0-9A-Fa-f]{{2}}|[^%]+|%', 'g') WITH ORDINALITY AS m (part, place);
    -- Asked before it is read as text: an exception for a row would be a subtransaction each.
    IF encode(bytes, 'hex') !~ (
        '^((0[1-9a-f]|[1-7].)|(c[2-9a-f]|d.)[89ab].|e0[ab].[89ab].|(e[1-9a-cef])([89ab].){{2}}|ed[89].[89ab].'
        '|f0[9ab].([89ab].){{2}}|f[1-3]([89ab].){{3}}|f48.([89ab].){{2}})*$'
    ) THEN
        RETURN NULL;
    END IF;
    RETURN convert_from(bytes, 'UTF8');
END
$$
