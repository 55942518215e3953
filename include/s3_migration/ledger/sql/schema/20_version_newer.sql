-- A program that is older than the database would set it back: nothing is changed then.
DO $$
BEGIN
    IF (SELECT max(version) FROM s3_migration.schema_version) > {version} THEN
        RAISE EXCEPTION USING
            MESSAGE = 'this set-up is of version {version}, and schema s3_migration of a newer one: nothing was changed',
            HINT = 'print the set-up with the newer version of the project, which has been at work here';
    END IF;
END
$$
