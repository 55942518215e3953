-- Since version 3 the columns say what they hold. Nothing where they do already, and in a new database.
DO $$
DECLARE
    renamed record;
BEGIN
    FOR renamed IN
        SELECT r.*
        FROM (VALUES
            ('ledger', 'kind', 'problem'),
            ('ledger', 'copied_at', 'production_modified'),
            ('ledger', 'gone_at', 'legacy_gone_at'),
            ('run', 'removes_copies', 'remove_copies'),
            ('acknowledged', 'kind', 'problem')
        ) AS r (in_table, old_name, new_name)
        JOIN pg_attribute AS a
            ON a.attrelid = to_regclass('s3_migration.' || r.in_table) AND a.attname = r.old_name AND NOT a.attisdropped
    LOOP
        EXECUTE 'ALTER TABLE s3_migration.' || renamed.in_table
            || ' RENAME COLUMN ' || renamed.old_name || ' TO ' || renamed.new_name;
    END LOOP;
END
$$
