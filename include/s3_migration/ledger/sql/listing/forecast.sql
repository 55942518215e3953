-- What the listing found, before anything is written.
SELECT
    count(*) AS objects,
    coalesce(sum(s.size), 0)::bigint AS bytes,
    count(*) FILTER (WHERE v.there) AS already_there,
    count(*) FILTER (WHERE p.key IS NOT NULL AND NOT v.there AND l.copied_etag IS NULL) AS conflict,
    (SELECT count(*) FROM {rows} AS r WHERE NOT EXISTS (SELECT FROM {production} AS q WHERE q.key = r.key)) AS dangling
FROM {legacy} AS s
LEFT JOIN {production} AS p ON p.key = s.key
LEFT JOIN s3_migration.ledger AS l ON l.migration_id = %(migration_id)s AND l.legacy_key = s.key
CROSS JOIN LATERAL (
    SELECT coalesce((p.size = s.size AND p.etag = s.etag) OR (p.etag = l.production_etag AND s.etag = l.copied_etag), false)
        AS there
) AS v
