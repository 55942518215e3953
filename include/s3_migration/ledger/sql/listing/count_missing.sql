SELECT count(*) FROM s3_migration.ledger AS l
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
    AND {copy_missing}
    AND (%(keys)s::text[] IS NULL OR l.legacy_key = ANY(%(keys)s))
