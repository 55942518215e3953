-- As note_sampled.sql and find_unlisted_rows.sql in one, so that the rows are read once, and the ledger is asked only for
-- what the sample does not hold: that was listed.
WITH named AS MATERIALIZED (
    SELECT s.key, s.legacy, {in_sample} AS sampled
-- … and on as in named.part
    WHERE s.key IS NOT NULL
),

-- … and on as in marked.part

SELECT u.key, count(*) AS rows
FROM unknown AS u
-- … and on as in unlisted.part
