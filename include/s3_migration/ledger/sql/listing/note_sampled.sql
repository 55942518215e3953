-- As find_sampled.sql and note_named.sql in one, in the session that holds the sample: half of a listing's time went
-- into sending keys to the task and back. Answers what rows name by the legacy path and it would hold, and does not.
WITH named AS MATERIALIZED (
    SELECT s.key, count(*) FILTER (WHERE s.legacy) AS rows
-- … and on as in named.part
    WHERE {in_sample}
    GROUP BY s.key
),

marked AS (
    UPDATE {sample} AS x SET named = true, rows = x.rows + n.rows
    FROM named AS n
    WHERE x.key = ANY(ARRAY(SELECT k.key FROM named AS k)) AND x.key = n.key
    RETURNING x.key
)

SELECT n.key, n.rows FROM named AS n WHERE n.rows > 0 AND n.key NOT IN (SELECT m.key FROM marked AS m)
