SELECT legacy_key, coalesce(kind, 'listed') AS state, detail FROM s3_migration.ledger
WHERE
    migration_id = %(migration_id)s AND run_no = %(run_no)s
    AND legacy_key >= coalesce(%(first_key)s, '')
    AND (%(last_key)s::text IS NULL OR legacy_key <= %(last_key)s)
    AND (
        kind = ANY(%(problems)s)
        OR (kind IS NULL AND gone_at IS NULL AND (copied_at IS NULL OR copied_etag IS DISTINCT FROM legacy_etag))
    )
ORDER BY legacy_key
LIMIT %(most)s
