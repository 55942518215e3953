DELETE FROM pg_temp.listed_misspelt WHERE exact = ANY(%(keys)s)
