-- Which of the keys that legacy holds are there for no reason that is known.
SELECT k.key
FROM unnest(%(keys)s::text[]) AS k (key)
LEFT JOIN s3_migration.state AS s ON s.migration_id = %(migration_id)s AND s.legacy_key = k.key
WHERE s.state IS NULL OR NOT (s.state = ANY(%(explained)s) OR s.acknowledged IS NOT NULL)
ORDER BY k.key
