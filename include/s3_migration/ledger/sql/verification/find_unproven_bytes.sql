-- The next copies of the run whose bytes are to be proven, and were not, with the versions that are to be held against each
-- other.
SELECT l.legacy_key, l.copied_etag AS legacy_etag, l.production_etag
FROM s3_migration.ledger AS l
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.legacy_key > %(after)s
    AND {may_leave_legacy} AND {bytes_asked} AND l.same_bytes IS NOT TRUE
ORDER BY l.legacy_key
LIMIT %(limit)s
