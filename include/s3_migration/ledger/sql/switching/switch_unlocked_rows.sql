-- As switch_rows.sql, but passing over the rows that other transactions hold: one of them holds up no other row.
-- Used only where that one met a lock, since each row is locked here before it is written.
WITH unlocked AS MATERIALIZED (
    SELECT a.tableoid, a.ctid, {from_key} AS key
    FROM {paths}
    WHERE
        a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid
        AND {names_from}
    FOR NO KEY UPDATE OF a SKIP LOCKED
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
    SET {column} = {switched_value}
    WHERE
        a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid
        AND ((a.tableoid, a.ctid) IN (SELECT u.tableoid, u.ctid FROM unlocked AS u)) IS TRUE
-- … and on as in switched_and_restarted.part
