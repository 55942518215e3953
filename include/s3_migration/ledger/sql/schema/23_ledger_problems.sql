-- Since version 3 the code of an error and a missing copy are columns, which `detail` is read for once more; and what was
-- called named is still_referenced, or row_refused where it was the database that said no.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_constraint
        WHERE conrelid = 's3_migration.ledger'::regclass AND conname = 'ledger_kind_check'
    ) THEN
        ALTER TABLE s3_migration.ledger DROP CONSTRAINT ledger_kind_check;
        UPDATE s3_migration.ledger AS l
        SET
            problem = n.problem,
            error_code = CASE
                WHEN n.problem = 'row_refused' THEN coalesce(substring(l.detail FROM '^([0-9A-Z]{{5}}):'), 'XX000')
                WHEN n.problem = 'failed' AND l.detail ~ '^[0-9]+ tries, last ' THEN 'ConditionalRequestConflict'
                WHEN n.problem = 'failed' THEN coalesce(substring(l.detail FROM '^([A-Za-z0-9.]+):'), 'Unknown')
            END,
            copy_missing = n.problem IN ('damaged', 'superseded') AND l.production_modified IS NOT NULL
                AND coalesce(l.detail = 'production holds no object', false),
            detail = CASE WHEN n.problem <> 'still_referenced' THEN l.detail END
        FROM (
            SELECT
                o.migration_id, o.legacy_key,
                CASE
                    WHEN o.problem <> 'named' THEN o.problem
                    WHEN o.detail ~ '^[0-9A-Za-z]+: row not switched: ' THEN 'row_refused'
                    ELSE 'still_referenced'
                END AS problem
            FROM s3_migration.ledger AS o
            WHERE o.problem IS NOT NULL
        ) AS n
        WHERE l.migration_id = n.migration_id AND l.legacy_key = n.legacy_key;
        IF to_regclass('s3_migration.acknowledged') IS NOT NULL THEN
            UPDATE s3_migration.acknowledged AS a SET problem = l.problem
            FROM s3_migration.ledger AS l
            WHERE
                l.migration_id = a.migration_id AND l.legacy_key = a.legacy_key
                AND a.problem = 'named' AND l.problem IN ('still_referenced', 'row_refused');
        END IF;
    END IF;
END
$$
