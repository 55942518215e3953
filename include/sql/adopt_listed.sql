-- Take over what the ledger knows and legacy still holds, whoever left it; judge anew what production holds of it.
UPDATE s3_migration.ledger AS l
SET
    run_no = %(run_no)s,
    legacy_size = s.size,
    legacy_etag = s.etag,
    legacy_modified = s.modified,
    gone_at = NULL,
    copied_etag = CASE WHEN v.same THEN s.etag WHEN v.ours THEN l.legacy_etag ELSE l.copied_etag END,
    -- Without copied_etag what stands there of production was never ours: only a row was pointed at it.
    production_etag = CASE WHEN v.same OR v.ours THEN p.etag WHEN l.copied_etag IS NOT NULL THEN l.production_etag END,
    copied_at = CASE
        WHEN v.ours OR (v.same AND (l.copied_etag IS NULL OR p.etag <> l.production_etag)) THEN p.modified
        WHEN l.copied_etag IS NOT NULL THEN l.copied_at
    END,
    -- The grace period goes on from the earlier run's switch, if that switched to this very copy.
    switched_at = CASE
        WHEN l.gone_at IS NULL AND (l.kind IS NULL OR l.kind = 'failed') AND l.copied_etag = s.etag AND p.etag = l.production_etag
            THEN coalesce(l.switched_at, CASE WHEN l.copied_at <= r.switched_at THEN r.switched_at END)
    END,
    kind = CASE
        WHEN v.same OR v.ours OR (l.copied_etag IS NOT NULL AND p.etag = l.production_etag) THEN NULL
        WHEN l.copied_etag IS NULL THEN CASE WHEN p.key IS NOT NULL THEN 'conflict' END
        WHEN p.key IS NULL THEN 'damaged'
        WHEN p.modified >= date_trunc('second', l.copied_at) THEN 'superseded'
        ELSE 'damaged'
    END,
    detail = CASE
        WHEN v.same OR v.ours OR (l.copied_etag IS NOT NULL AND p.etag = l.production_etag) THEN NULL
        WHEN p.key IS NOT NULL
            THEN format('production holds %%s bytes, ETag %%s, since %%s', p.size, p.etag, p.modified)
        WHEN l.copied_etag IS NOT NULL THEN 'production holds no object'
    END
FROM {legacy} AS s
LEFT JOIN {production} AS p ON p.key = s.key
CROSS JOIN s3_migration.run AS r
CROSS JOIN s3_migration.ledger AS x
CROSS JOIN LATERAL (
    SELECT
        coalesce(p.size = s.size AND p.etag = s.etag, false) AS same,
        -- A copy of the version listed before, whose mark a crash lost.
        coalesce(x.copied_etag IS NULL AND p.size = x.legacy_size AND p.etag = x.legacy_etag, false) AS ours
) AS v
WHERE
    x.migration_id = %(migration_id)s AND x.legacy_key = s.key
    AND l.migration_id = %(migration_id)s AND l.legacy_key = s.key AND r.run_no = l.run_no
