-- Since version 3 what was called named is still_referenced.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_constraint
        WHERE conrelid = 's3_migration.ledger'::regclass AND conname = 'ledger_kind_check'
    ) THEN
        ALTER TABLE s3_migration.ledger DROP CONSTRAINT ledger_kind_check;
        UPDATE s3_migration.ledger SET problem = 'still_referenced' WHERE problem = 'named';
        ALTER TABLE s3_migration.ledger ADD CONSTRAINT ledger_problem_check CHECK (
            problem IN (
                'failed', 'conflict', 'damaged', 'changed', 'still_referenced', 'superseded', 'withdrawn', 'dangling'
            )
        );
    END IF;
END
$$
