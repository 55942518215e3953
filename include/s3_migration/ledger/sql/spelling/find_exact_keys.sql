-- The next keys that such rows name as they are spelt: where such an object is there, the row names that one.
SELECT DISTINCT exact FROM pg_temp.listed_misspelt WHERE exact > %(after)s ORDER BY exact LIMIT %(limit)s
