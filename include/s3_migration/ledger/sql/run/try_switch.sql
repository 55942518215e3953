-- A row is switched as switch_rows.sql would, whatever is copied: rolled back by the caller. No row: none is of that place.
-- Under WITH, as there, where PostgreSQL takes no table that has a rule.
WITH copied AS MATERIALIZED (
    SELECT {from_key} AS legacy_key
    FROM {paths}
    WHERE a.tableoid = %(relation)s AND a.ctid = %(ctid)s::tid AND {names_from}
),

switched AS (
    UPDATE {table} AS a
    SET {column} = {switched_value}
    WHERE a.tableoid = %(relation)s AND a.ctid = %(ctid)s::tid AND {names_copied}
    RETURNING {names_copied} AS kept
)

SELECT s.kept FROM switched AS s
