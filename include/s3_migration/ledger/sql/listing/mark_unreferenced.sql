-- unreferenced: keep. What no row names is neither copied nor deleted, until a row names it. One pass over the tables.
UPDATE s3_migration.ledger AS l SET problem = 'unreferenced', detail = NULL
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
    AND {in_legacy} AND l.problem IS NULL
    AND NOT EXISTS (SELECT FROM ({rows_naming_either}) AS n WHERE n.key = l.legacy_key)
