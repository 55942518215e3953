-- Every object in exactly one state (include/s3_migration/model/states.py).
CREATE OR REPLACE VIEW s3_migration.state AS
SELECT
    l.migration_id,
    l.run_no,
    l.legacy_key,
    l.legacy_size,
    {state} AS state,
    l.detail,
    a.reason AS acknowledged,
    l.error_code
FROM s3_migration.ledger AS l
JOIN s3_migration.run AS r ON r.run_no = l.run_no
LEFT JOIN s3_migration.acknowledged AS a
    ON a.migration_id = l.migration_id AND a.legacy_key = l.legacy_key AND a.problem = l.problem
