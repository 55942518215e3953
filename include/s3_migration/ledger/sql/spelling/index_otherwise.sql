-- By hash: what a row holds may be longer than any key, and than what a B-tree takes.
CREATE INDEX listed_otherwise_spelling ON pg_temp.listed_otherwise USING hash (spelling)
