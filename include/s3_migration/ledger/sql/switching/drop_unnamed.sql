DROP TABLE IF EXISTS pg_temp.listed_unnamed
