-- Where the ledger's statistics are stale (a night with many new objects after one without) the planner expects a row
-- or two of a join that finds millions, and takes them one by one: with an index that is slow, without one it never ends.
CREATE INDEX IF NOT EXISTS {index} ON {staging} (key)
