-- Every object in exactly one state (include/s3_migration/model/states.py). Grace is held against the proof: what comes due after the
-- verification waits for the next one.
CREATE OR REPLACE VIEW s3_migration.state AS
SELECT
    l.migration_id,
    l.run_no,
    l.legacy_key,
    l.legacy_size,
    CASE
        WHEN l.problem IS NOT NULL THEN l.problem
        WHEN l.production_modified IS NULL THEN 'listed'
        WHEN l.legacy_gone_at IS NOT NULL THEN 'moved'
        WHEN l.copied_etag IS DISTINCT FROM l.legacy_etag THEN 'listed'
        WHEN
            (r.mode = 'move' OR r.remove_copies)
            AND coalesce(l.switched_at, r.switched_at) + r.grace_period > coalesce(r.verified_at, now())
            THEN 'waiting'
        ELSE 'copied'
    END AS state,
    l.detail,
    a.reason AS acknowledged
FROM s3_migration.ledger AS l
JOIN s3_migration.run AS r ON r.run_no = l.run_no
LEFT JOIN s3_migration.acknowledged AS a
    ON a.migration_id = l.migration_id AND a.legacy_key = l.legacy_key AND a.problem = l.problem
