-- Take over what the ledger knows and legacy still holds, whoever left it; judge anew what production holds of it.
UPDATE s3_migration.ledger AS l
SET
    run_no = %(run_no)s,
    legacy_size = j.size,
    legacy_etag = j.etag,
    legacy_modified = j.modified,
    legacy_gone_at = NULL,
    copied_etag = CASE WHEN j.same THEN j.etag WHEN j.ours THEN l.legacy_etag ELSE l.copied_etag END,
    -- Without copied_etag what stands there of production was never ours: only a row was pointed at it.
    production_etag = CASE
        WHEN j.same OR j.ours THEN j.there_etag
        WHEN l.copied_etag IS NOT NULL THEN l.production_etag
    END,
    production_modified = CASE
        WHEN j.ours OR (j.same AND (l.copied_etag IS NULL OR j.there_etag <> l.production_etag)) THEN j.there_modified
        WHEN l.copied_etag IS NOT NULL THEN l.production_modified
    END,
    -- The grace period goes on from the earlier run's switch, if that switched to this very copy.
    switched_at = CASE
        WHEN
            l.legacy_gone_at IS NULL AND (l.problem IS NULL OR l.problem = 'failed')
            AND l.copied_etag = j.etag AND j.there_etag = l.production_etag
            THEN coalesce(l.switched_at, CASE WHEN l.production_modified <= j.run_switched_at THEN j.run_switched_at END)
    END,
    problem = CASE
        WHEN j.same OR j.ours OR (l.copied_etag IS NOT NULL AND j.there_etag = l.production_etag) THEN NULL
        WHEN l.copied_etag IS NULL THEN CASE WHEN j.there_key IS NOT NULL THEN 'conflict' END
        WHEN j.there_key IS NULL THEN 'damaged'
        WHEN j.there_modified >= date_trunc('second', l.production_modified) THEN 'superseded'
        ELSE 'damaged'
    END,
    detail = CASE
        WHEN j.same OR j.ours OR (l.copied_etag IS NOT NULL AND j.there_etag = l.production_etag) THEN NULL
        WHEN j.there_key IS NOT NULL
            THEN format('production holds %%s bytes, ETag %%s, since %%s', j.there_size, j.there_etag, j.there_modified)
        WHEN l.copied_etag IS NOT NULL THEN 'production holds no object'
    END
FROM (
    SELECT
        s.key, s.size, s.etag, s.modified, r.switched_at AS run_switched_at, v.same, v.ours,
        p.key AS there_key, p.size AS there_size, p.etag AS there_etag, p.modified AS there_modified
    FROM {legacy} AS s
    JOIN s3_migration.ledger AS x ON x.migration_id = %(migration_id)s AND x.legacy_key = s.key
    JOIN s3_migration.run AS r ON r.run_no = x.run_no
    LEFT JOIN {production} AS p ON p.key = s.key
    CROSS JOIN LATERAL (
        SELECT
            coalesce(p.size = s.size AND p.etag = s.etag, false) AS same,
            -- A copy of the version listed before, whose mark a crash lost.
            coalesce(x.copied_etag IS NULL AND p.size = x.legacy_size AND p.etag = x.legacy_etag, false) AS ours
    ) AS v
    -- Written in the order of the ledger and of its index: in any other each row would be another page of both.
    ORDER BY s.key
) AS j
WHERE l.migration_id = %(migration_id)s AND l.legacy_key = j.key
