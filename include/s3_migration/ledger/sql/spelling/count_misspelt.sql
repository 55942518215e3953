SELECT count(DISTINCT key) FROM pg_temp.listed_misspelt
