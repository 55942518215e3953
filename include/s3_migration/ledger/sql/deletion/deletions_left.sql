-- How long deletions of the migration may still take effect: null where none is under way. Those of the run's other chunks
-- do not hold up a chunk that is to delete as well (beside): each asks for its own keys alone.
SELECT max(d.deleting_until) - clock_timestamp()
FROM s3_migration.deletion AS d
WHERE
    d.migration_id = %(migration_id)s
    AND d.deleting_until > clock_timestamp()
    AND NOT (%(beside)s AND d.run_no = %(run_no)s AND d.chunk <> %(chunk)s)
