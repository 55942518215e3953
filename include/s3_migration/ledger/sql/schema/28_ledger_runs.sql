-- A night with nothing to do must not read what a hundred million finished objects left behind: most statements ask
-- for one run's rows, or for what is not gone yet. A few kilobytes for a million rows, and nothing for an update to do.
-- Not with autosummarize: a listing is faster than its queue, and the server logs the statement for each range that is lost.
CREATE INDEX IF NOT EXISTS ledger_runs ON s3_migration.ledger USING brin (run_no, legacy_gone_at) WITH (pages_per_range = 32)
