SELECT count(*) FROM s3_migration.ledger
WHERE
    migration_id = %(migration_id)s AND run_no = %(run_no)s
    AND problem = 'damaged' AND detail = 'production holds no object' AND production_modified IS NOT NULL
    AND (%(keys)s::text[] IS NULL OR legacy_key = ANY(%(keys)s))
