-- A few of them, with what makes each match.
SELECT m.key AS legacy_key, {spelt} AS detail FROM pg_temp.listed_misspelt AS m ORDER BY m.key LIMIT %(limit)s
