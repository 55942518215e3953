-- Since version 9.
ALTER INDEX s3_migration.ledger_runs RESET (autosummarize)
