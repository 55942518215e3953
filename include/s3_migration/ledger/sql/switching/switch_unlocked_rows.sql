-- As switch_rows.sql, but passing over the rows that other transactions hold: one of them holds up no other row.
-- Used only where that one met a lock, since each row is locked here before it is written.
WITH unlocked AS MATERIALIZED (
    SELECT a.ctid, (%(legacy_prefix)s || substr(a.{column}, %(from_path_rest)s)) COLLATE "C" AS key
    FROM {table} AS a
    WHERE
        a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid
        AND starts_with(a.{column}, %(from_path_prefix)s)
    FOR NO KEY UPDATE SKIP LOCKED
),

copied AS MATERIALIZED (
    SELECT l.legacy_key, l.switched_at
    FROM s3_migration.ledger AS l
    WHERE
        l.migration_id = %(migration_id)s
        AND l.legacy_key = ANY(ARRAY(SELECT u.key FROM unlocked AS u))
        AND l.run_no = %(run_no)s
        AND {may_be_switched}
),

switched AS (
    UPDATE {table} AS a
    SET {column} = %(to_path_prefix)s || substr(a.{column}, %(from_path_rest)s)
    WHERE
        a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid
        AND starts_with(a.{column}, %(from_path_prefix)s)
        AND (a.ctid IN (SELECT u.ctid FROM unlocked AS u)) IS TRUE
-- … and on as in switched_and_restarted.part
