-- What an earlier try switched has its time in the ledger by now (adopt.sql).
UPDATE s3_migration.run SET listed_at = now(), switched_at = NULL WHERE run_no = %(run_no)s
