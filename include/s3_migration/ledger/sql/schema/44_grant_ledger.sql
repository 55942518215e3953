GRANT SELECT, INSERT, UPDATE ON s3_migration.ledger, s3_migration.run, s3_migration.tally, s3_migration.timing TO {role}
