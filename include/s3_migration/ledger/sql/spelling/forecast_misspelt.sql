-- The same of what a plan has listed, and nothing else knows of.
WITH objects AS NOT MATERIALIZED (
    SELECT s.key FROM {sample} AS s
)
-- … and on as in misspelt.part
