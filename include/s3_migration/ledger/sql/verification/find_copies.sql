-- The next keys to look at on both sides, and whether legacy should still hold them.
SELECT legacy_key, legacy_gone_at IS NOT NULL AS gone FROM s3_migration.ledger
WHERE
    migration_id = %(migration_id)s AND run_no = %(run_no)s AND production_modified IS NOT NULL
    AND legacy_key > %(after)s
    AND (%(keys)s::text[] IS NULL OR legacy_key = ANY(%(keys)s))
ORDER BY legacy_key
LIMIT %(limit)s
