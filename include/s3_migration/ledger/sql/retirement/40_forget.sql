-- The last migration takes all that we made along, in a moment; one of several its own rows. No CASCADE: what others
-- have built upon the ledger is named by the error, and stays.
DO $$
DECLARE
    retired CONSTANT smallint := (SELECT migration_id FROM s3_migration.migration WHERE name = {name});
BEGIN
    IF (SELECT count(*) FROM s3_migration.migration) = 1 THEN
        LOCK TABLE s3_migration.migration; -- and look again: another may have been declared meanwhile
    END IF;
    IF (SELECT count(*) FROM s3_migration.migration) = 1 THEN
        DROP VIEW s3_migration.state;
        DROP TABLE
            s3_migration.acknowledged, s3_migration.timing, s3_migration.tally, s3_migration.chunk, s3_migration.ledger,
            s3_migration.deletion, s3_migration.lane, s3_migration.place, s3_migration.run, s3_migration.migration, s3_migration.schema_version;
        DROP FUNCTION
            s3_migration.possible_keys(text, text[], text), s3_migration.plain_key(text), s3_migration.plain_spelling(text), s3_migration.url_decode(text);
        DROP SCHEMA s3_migration;
    ELSE
        DELETE FROM s3_migration.acknowledged WHERE migration_id = retired;
        DELETE FROM s3_migration.timing AS t USING s3_migration.run AS r
        WHERE r.run_no = t.run_no AND r.migration_id = retired;
        DELETE FROM s3_migration.tally AS t USING s3_migration.run AS r
        WHERE r.run_no = t.run_no AND r.migration_id = retired;
        DELETE FROM s3_migration.chunk AS c USING s3_migration.run AS r
        WHERE r.run_no = c.run_no AND r.migration_id = retired;
        DELETE FROM s3_migration.lane AS a USING s3_migration.run AS r
        WHERE r.run_no = a.run_no AND r.migration_id = retired;
        DELETE FROM s3_migration.place AS p USING s3_migration.run AS r
        WHERE r.run_no = p.run_no AND r.migration_id = retired;
        DELETE FROM s3_migration.deletion WHERE migration_id = retired;
        DELETE FROM s3_migration.ledger WHERE migration_id = retired;
        DELETE FROM s3_migration.run WHERE migration_id = retired;
        DELETE FROM s3_migration.migration WHERE migration_id = retired;
    END IF;
END
$$
