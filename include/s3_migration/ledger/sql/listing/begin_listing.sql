-- Every later step rests on the listing: until it is done again they have nothing to rest on.
UPDATE s3_migration.run
SET listed_at = NULL, verified_at = NULL, finished_at = NULL, account = NULL
WHERE run_no = %(run_no)s
