-- The next copies of a chunk whose bytes are to be proven, and were not, with the versions that are to be held against each
-- other.
SELECT l.legacy_key, l.copied_etag AS legacy_etag, l.production_etag
FROM s3_migration.ledger AS l
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.legacy_key > %(after)s
    AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
    AND {may_leave_legacy} AND {bytes_asked} AND NOT l.bytes_proven
ORDER BY l.legacy_key
LIMIT %(limit)s
