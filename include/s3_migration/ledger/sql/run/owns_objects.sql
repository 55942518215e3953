-- Whether the run owns any object at all. No migration is asked for: by its index the planner would read all that is
-- finished; the run's own (ledger_runs) tells.
SELECT EXISTS (SELECT FROM s3_migration.ledger AS l WHERE l.run_no = %(run_no)s)
