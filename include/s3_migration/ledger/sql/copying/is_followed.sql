-- Whether a later run of the migration has begun, which may have adopted what this one left.
SELECT EXISTS (
    SELECT FROM s3_migration.run AS r WHERE r.migration_id = %(migration_id)s AND r.run_no > %(run_no)s
) AS followed
