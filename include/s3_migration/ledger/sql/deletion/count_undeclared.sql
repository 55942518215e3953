-- Columns that name objects of the migration and are not declared, as the gate of this run found them. Null: it did not look.
SELECT max(number) FROM s3_migration.tally WHERE run_no = %(run_no)s AND step = 'gate' AND what = 'undeclared'
