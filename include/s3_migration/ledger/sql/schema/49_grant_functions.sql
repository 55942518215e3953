GRANT EXECUTE ON FUNCTION s3_migration.url_decode(text), s3_migration.plain_spelling(text), s3_migration.plain_key(text),
s3_migration.possible_keys(text, text[], text) TO {role}
