-- What legacy and production hold now, against the ledger. Only what is not as it should be is written.
UPDATE s3_migration.ledger AS l
SET
    legacy_gone_at = v.legacy_gone_at,
    legacy_size = CASE WHEN v.problem = 'changed' THEN v.size ELSE l.legacy_size END,
    legacy_etag = CASE WHEN v.problem = 'changed' THEN v.etag ELSE l.legacy_etag END,
    legacy_modified = CASE WHEN v.problem = 'changed' THEN v.modified ELSE l.legacy_modified END,
    problem = v.problem,
    detail = v.detail
FROM (
    SELECT
        x.legacy_key, x.problem AS known_problem, x.legacy_gone_at AS known_gone_at, s.size, s.etag, s.modified,
        CASE
            WHEN s.key IS NULL THEN coalesce(x.legacy_gone_at, now())
        END AS legacy_gone_at,
        CASE
            WHEN p.key IS NULL THEN 'damaged'
            WHEN p.etag = x.production_etag
                THEN CASE WHEN s.key IS NOT NULL AND s.etag IS DISTINCT FROM x.copied_etag THEN 'changed' END
            WHEN p.modified >= date_trunc('second', x.production_modified) THEN 'superseded'
            ELSE 'damaged'
        END AS problem,
        CASE
            WHEN p.key IS NULL THEN 'production holds no object'
            WHEN p.etag <> x.production_etag
                THEN format('production holds %%s bytes, ETag %%s, since %%s', p.size, p.etag, p.modified)
            WHEN s.etag <> x.copied_etag
                THEN format('legacy holds ETag %%s since %%s, ETag %%s was copied', s.etag, s.modified, x.copied_etag)
        END AS detail
    FROM s3_migration.ledger AS x
    LEFT JOIN {legacy} AS s ON s.key = x.legacy_key
    LEFT JOIN {production} AS p ON p.key = x.legacy_key
    WHERE
        x.migration_id = %(migration_id)s AND x.run_no = %(run_no)s
        AND x.legacy_key >= %(first_key)s AND x.legacy_key <= %(last_key)s
        AND (%(keys)s::text[] IS NULL OR x.legacy_key = ANY(%(keys)s))
        AND x.production_modified IS NOT NULL
        -- Of a refused deletion the reason stays, until the verification is asked for anew.
        AND (x.problem IS NULL OR x.problem IN ('still_referenced', 'changed', 'damaged') OR (x.problem = 'failed' AND %(proving)s))
        AND (x.legacy_gone_at IS NOT NULL OR x.copied_etag = x.legacy_etag OR %(undo)s)
) AS v
WHERE
    l.migration_id = %(migration_id)s AND l.legacy_key = v.legacy_key
    -- Asked before the ledger is joined with itself as well: nearly nothing is left to join then.
    AND (v.known_problem, v.known_gone_at) IS DISTINCT FROM (v.problem, v.legacy_gone_at)
    AND (l.problem, l.legacy_gone_at) IS DISTINCT FROM (v.problem, v.legacy_gone_at)
