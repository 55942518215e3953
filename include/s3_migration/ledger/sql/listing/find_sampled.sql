-- Of some pages the keys of the sample that rows name, by either path, and how many rows by the legacy one.
SELECT s.key, count(*) FILTER (WHERE s.legacy) AS rows
-- … and on as in named.part
WHERE {in_sample}
GROUP BY s.key
