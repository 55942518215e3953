-- The same of what a plan has listed, and nothing else knows of: what a row names as it is spelt is nothing else's then.
WITH objects AS MATERIALIZED (
    SELECT s.key, true AS ours, s3_migration.plain_key(s.key) AS spelling
    FROM {staging} AS s
    WHERE s.key > %(after)s
    ORDER BY s.key
    LIMIT %(limit)s
),

-- … and on as in misspelt.part
