DELETE FROM s3_migration.acknowledged
WHERE migration_id = %(migration_id)s AND (legacy_key = %(key)s OR problem = %(problem)s)
