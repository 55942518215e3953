-- Point the rows of some pages at their copies: by physical range, since no index on the column can be counted on.
-- Run again it changes nothing: a switched path begins with no legacy path. A row is switched only if it still names
-- the legacy path when its lock is had. Where a row named the old path again after the switch, the object's grace
-- period starts anew: at the run's time (null here), or now where the run's switch is over (late).
WITH switched AS (
    UPDATE {table} AS a
    SET {column} = %(production_path_prefix)s || substr(a.{column}, %(legacy_path_rest)s)
    FROM s3_migration.ledger AS l
    WHERE
        a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid
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
