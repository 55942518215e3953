SELECT pg_relation_size('s3_migration.ledger') / current_setting('block_size')::bigint
