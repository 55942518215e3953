-- Whether the set-up has been run here, and for this role.
SELECT
    to_regnamespace('s3_migration') IS NOT NULL AS schema_there,
    CASE
        WHEN to_regnamespace('s3_migration') IS NOT NULL
            THEN has_schema_privilege(to_regnamespace('s3_migration'), 'USAGE')
                AND has_database_privilege(current_database(), 'TEMPORARY')
    END AS may_use
