UPDATE s3_migration.migration SET requests_expire = %(expire)s WHERE migration_id = %(migration_id)s
