-- As note_sampled.sql and find_unlisted_rows.sql in one, so that the rows are read once, and the ledger is asked only for
-- what the sample does not hold: that was listed.
WITH named AS MATERIALIZED (
    SELECT s.key, s.legacy, {in_sample} AS sampled
-- … and on as in named.part
    WHERE s.key IS NOT NULL
),

marked AS (
    UPDATE {sample} AS x SET named = true, rows = x.rows + n.rows
    FROM (SELECT k.key, count(*) FILTER (WHERE k.legacy) AS rows FROM named AS k WHERE k.sampled GROUP BY k.key) AS n
    WHERE x.key = ANY(ARRAY(SELECT k.key FROM named AS k WHERE k.sampled)) AND x.key = n.key
    RETURNING x.key
),

unknown AS MATERIALIZED (
    SELECT n.key FROM named AS n WHERE n.legacy AND n.key NOT IN (SELECT m.key FROM marked AS m)
)

SELECT u.key, count(*) AS rows
FROM unknown AS u
-- … and on as in unlisted.part
