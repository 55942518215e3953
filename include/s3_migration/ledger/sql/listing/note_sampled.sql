-- As find_sampled.sql and note_named.sql in one, in the session that holds the sample: half of a listing's time went
-- into sending keys to the task and back. Answers what rows name by the legacy path and it would hold, and does not.
WITH named AS MATERIALIZED (
    SELECT s.key, s.legacy, true AS sampled
-- … and on as in named.part
    WHERE {in_sample}
),

-- … and on as in marked.part

SELECT u.key, count(*) AS rows FROM unknown AS u GROUP BY u.key ORDER BY u.key
