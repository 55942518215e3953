-- The keys of a range that have this problem. The second condition says nothing new, but where to look for it.
SELECT legacy_key FROM s3_migration.ledger
WHERE
    migration_id = %(migration_id)s AND run_no = %(run_no)s
    AND legacy_key >= %(first_key)s AND legacy_key <= %(last_key)s
    AND problem = %(problem)s AND problem IN ({problems})
