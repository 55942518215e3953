-- Since version 9: vacuum comes while a large move is at work, and not when it is over. Each row is written anew once or twice,
-- whose old places are to be used again; and what a vacuum has not seen is in no summary of ledger_runs.
ALTER TABLE s3_migration.ledger SET (
    autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_cost_limit = 1000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 200000
)
