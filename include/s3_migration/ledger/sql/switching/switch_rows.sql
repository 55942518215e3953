-- Point the rows of some pages at their copies: by physical range, since no index on the column can be counted on.
-- Run again it changes nothing: a switched path begins with no legacy path. A row is switched only if it still names
-- the legacy path when its lock is had. Where a row named the old path again after the switch, the object's grace
-- period starts again: at the run's time (null here), or now where the run's switch is over (late).
-- An undo goes the other way, to whatever legacy still holds; not where the application wrote production since.
-- Of a partitioned table the same pages of all partitions: what a row is switched to may belong to another one.
-- Its shape leaves the planner no choice. As a join it read all of the ledger for every batch, and time grew with the
-- square of the rows. ANY(ARRAY()) asks the ledger's index, for the keys of these pages alone; under IS TRUE an IN is
-- a look into a hash table, and never a join.
WITH copied AS MATERIALIZED (
    SELECT l.legacy_key, l.switched_at
    FROM s3_migration.ledger AS l
    WHERE
        l.migration_id = %(migration_id)s
        AND l.legacy_key = ANY(ARRAY(
            SELECT {from_key}
            FROM {paths}
            WHERE
                a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid
                AND {names_from}
        ))
        AND l.run_no = %(run_no)s
        AND {may_be_switched}
),

switched AS (
    UPDATE {table} AS a
    SET {column} = {switched_value}
    WHERE
        a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid
-- … and on as in switched_and_restarted.part
