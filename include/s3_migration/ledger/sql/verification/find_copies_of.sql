-- The same of these keys, whatever lies between them.
SELECT l.legacy_key, l.legacy_gone_at IS NOT NULL AS gone
FROM s3_migration.ledger AS l
WHERE l.migration_id = %(migration_id)s AND l.legacy_key = ANY(%(keys)s::text[]) AND l.run_no = %(run_no)s AND {has_copy}
ORDER BY l.legacy_key
