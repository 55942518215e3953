-- What the ledger knew and legacy still holds: judge again what production holds of it. All of it is the run's by now
-- (adopt.sql), which is not asked: by the statistics the run owns next to nothing, and rows would be joined one by one.
UPDATE s3_migration.ledger AS l
SET
    legacy_size = j.size,
    legacy_etag = j.etag,
    legacy_modified = j.modified,
    legacy_gone_at = NULL,
    copied_etag = j.copied_etag,
    production_etag = j.production_etag,
    production_modified = j.production_modified,
    switched_at = j.switched_at,
    problem = j.problem,
    error_code = NULL,
    copy_missing = j.copy_missing,
    rewritten = j.rewritten,
    bytes_proven = j.bytes_proven,
    detail = j.detail
FROM (
    SELECT s.key, s.size, s.etag, s.modified, w.*
    FROM {legacy} AS s
    JOIN s3_migration.ledger AS l
        ON l.migration_id = %(migration_id)s AND l.legacy_key = ANY(ARRAY(SELECT k.key FROM {legacy} AS k))
        AND l.legacy_key = s.key
    LEFT JOIN {production} AS p ON p.key = s.key
    CROSS JOIN LATERAL (SELECT l.copied_etag IS NOT NULL AS ours, {production_holds} AS holds) AS v
    CROSS JOIN LATERAL (
        SELECT
            CASE v.holds WHEN 'same' THEN s.etag WHEN 'earlier' THEN l.legacy_etag ELSE l.copied_etag END AS copied_etag,
            -- Without copied_etag what stands there of production was never ours: only a row was pointed at it.
            CASE WHEN v.holds IN ('same', 'earlier') THEN p.etag WHEN v.ours THEN l.production_etag END AS production_etag,
            CASE
                WHEN v.holds IN ('same', 'earlier') AND (NOT v.ours OR p.etag <> l.production_etag) THEN p.modified
                WHEN v.ours THEN l.production_modified
            END AS production_modified,
            -- As adopt.sql carried it over, if this is the very copy that the earlier run switched to.
            CASE
                WHEN l.copied_etag = s.etag AND p.etag = l.production_etag THEN l.switched_at
            END AS switched_at,
            CASE WHEN v.ours THEN {problem_of_copy} ELSE {problem_without_copy} END AS problem,
            -- Of another version on either side nothing is known.
            coalesce(l.bytes_proven AND s.etag = l.copied_etag AND p.etag = l.production_etag, false) AS bytes_proven,
            v.ours AND v.holds = 'nothing' AS copy_missing,
            v.ours AND s.etag = l.copied_etag AND (l.rewritten OR {written_later}) AS rewritten
    ) AS x
    CROSS JOIN LATERAL (SELECT x.*, CASE WHEN x.problem IS NOT NULL THEN {held} END AS detail) AS w
    WHERE
        (
            l.legacy_size, l.legacy_etag, l.legacy_modified, l.legacy_gone_at, l.copied_etag, l.production_etag,
            l.production_modified, l.switched_at, l.problem, l.copy_missing, l.rewritten, l.bytes_proven, l.detail
        ) IS DISTINCT FROM (
            s.size, s.etag, s.modified, NULL, w.copied_etag, w.production_etag, w.production_modified, w.switched_at,
            w.problem, w.copy_missing, w.rewritten, w.bytes_proven, w.detail
        )
) AS j
WHERE
    l.migration_id = %(migration_id)s AND l.legacy_key = ANY(ARRAY(SELECT k.key FROM {legacy} AS k))
    AND l.legacy_key = j.key
