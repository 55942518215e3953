-- Progress lives beside the data: switching rows is a join with it.
CREATE SCHEMA IF NOT EXISTS s3_migration
