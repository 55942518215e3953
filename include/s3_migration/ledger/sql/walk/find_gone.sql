-- The run's objects that legacy holds no more, if they are few among those of other runs. No migration is asked for: by its
-- index the planner would take all that is finished for near at hand; the run's own (ledger_runs) tells.
SELECT l.legacy_key, {has_copy} AS has_copy, {state} AS state, l.problem IS NOT NULL AND EXISTS (
    SELECT FROM s3_migration.acknowledged AS a
    WHERE a.migration_id = l.migration_id AND a.legacy_key = l.legacy_key AND a.problem = l.problem
) AS acknowledged
FROM (
    SELECT * FROM s3_migration.ledger AS o WHERE o.run_no = %(run_no)s AND o.legacy_gone_at IS NOT NULL LIMIT %(limit)s
) AS l
CROSS JOIN s3_migration.run AS r
WHERE r.run_no = %(run_no)s
