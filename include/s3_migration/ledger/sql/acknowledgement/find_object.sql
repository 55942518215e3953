SELECT problem FROM s3_migration.ledger WHERE migration_id = %(migration_id)s AND legacy_key = %(key)s
