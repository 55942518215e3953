-- All that the ledger knows of one object.
SELECT
    l.legacy_key,
    s.state,
    l.legacy_size AS size,
    l.legacy_etag,
    l.legacy_modified,
    l.copied_etag,
    l.production_etag,
    l.production_modified,
    l.switched_at,
    l.legacy_gone_at,
    l.problem,
    l.error_code,
    l.detail,
    l.owned_since,
    s.acknowledged,
    l.run_no,
    r.run_id,
    r.mode,
    r.listed_at AS run_listed_at,
    r.switched_at AS run_switched_at,
    r.verified_at AS run_verified_at,
    r.grace_period
FROM s3_migration.ledger AS l
JOIN s3_migration.run AS r ON r.run_no = l.run_no
JOIN s3_migration.state AS s ON s.migration_id = l.migration_id AND s.legacy_key = l.legacy_key
WHERE l.migration_id = %(migration_id)s AND l.legacy_key = %(key)s
