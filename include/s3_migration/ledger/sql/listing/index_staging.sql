-- Each key of a slice is looked up: without an index a join compared each with each, where the planner takes what was just
-- filled for nearly empty.
CREATE INDEX {index} ON {staging} (key)
