-- As switch_rows.sql, but passing over the rows that other transactions hold: one of them holds up no other row.
-- Used only where that one met a lock, since each row is locked here before it is written.
WITH unlocked AS (
    SELECT a.ctid
    FROM {table} AS a
    WHERE
        a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid
        AND starts_with(a.{column}, %(legacy_path_prefix)s)
    FOR NO KEY UPDATE SKIP LOCKED
),

switched AS (
    UPDATE {table} AS a
    SET {column} = %(production_path_prefix)s || substr(a.{column}, %(legacy_path_rest)s)
    FROM unlocked AS u, s3_migration.ledger AS l
    WHERE
        a.ctid = u.ctid
        AND starts_with(a.{column}, %(legacy_path_prefix)s)
        AND l.migration_id = %(migration_id)s
        AND l.run_no = %(run_no)s
        AND l.legacy_key = (%(legacy_prefix)s || substr(a.{column}, %(legacy_path_rest)s)) COLLATE "C"
        AND l.copied_at IS NOT NULL
        AND (l.gone_at IS NOT NULL OR l.copied_etag = l.legacy_etag)
        AND (l.kind IS NULL OR l.kind = 'named')
    RETURNING l.legacy_key, l.switched_at
),

restarted AS (
    UPDATE s3_migration.ledger AS l
    SET switched_at = CASE WHEN %(late)s THEN now() END
    FROM (SELECT DISTINCT legacy_key, switched_at FROM switched) AS s
    WHERE l.migration_id = %(migration_id)s AND l.legacy_key = s.legacy_key
        AND (s.switched_at IS NOT NULL OR %(late)s)
)

SELECT count(*) FROM switched
