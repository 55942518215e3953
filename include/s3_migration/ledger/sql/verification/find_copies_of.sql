-- The same of these keys, each asked for by itself.
SELECT l.legacy_key, l.legacy_gone_at IS NOT NULL AS gone
FROM unnest(%(keys)s::text[]) AS k (key)
JOIN s3_migration.ledger AS l ON l.migration_id = %(migration_id)s AND l.legacy_key = k.key
WHERE l.run_no = %(run_no)s AND {has_copy}
ORDER BY l.legacy_key
