-- unreferenced: keep. What no row names is neither copied nor deleted, until a row names it: so is all of a slice, until the
-- pass over the rows says otherwise (mark_referenced.sql).
UPDATE s3_migration.ledger AS l SET problem = 'unreferenced', detail = NULL
FROM {legacy} AS s
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.legacy_key = s.key
    AND {in_legacy} AND l.problem IS NULL
