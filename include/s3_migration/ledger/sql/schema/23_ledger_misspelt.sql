-- Since version 5 a problem can be misspelt: the rule and the index that list the problems are made again, below.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_constraint
        WHERE
            conrelid = 's3_migration.ledger'::regclass AND conname = 'ledger_problem_is_known'
            AND position('misspelt' IN pg_get_constraintdef(oid)) = 0
    ) THEN
        ALTER TABLE s3_migration.ledger DROP CONSTRAINT ledger_problem_is_known;
        DROP INDEX IF EXISTS s3_migration.ledger_problems;
    END IF;
END
$$
