-- What contradicts itself is refused. Each rule has a name that says what must be so.
DO $$
DECLARE
    rule record;
BEGIN
    FOR rule IN
        SELECT * FROM (VALUES
            ('ledger_problem_is_known', $rule$problem IN ({states_stored})$rule$),
            ('ledger_code_of_refusals', $rule$(coalesce(problem, '') IN ({states_with_code})) = (error_code IS NOT NULL)$rule$),
            ('ledger_copy_has_etag_and_time', $rule$(production_modified IS NULL) = (production_etag IS NULL)$rule$),
            ('ledger_copied_is_in_production', $rule$copied_etag IS NULL OR production_modified IS NOT NULL$rule$),
            ('ledger_missing_is_a_copy', $rule$
                NOT copy_missing
                OR (production_modified IS NOT NULL AND coalesce(problem, '') IN ('damaged', 'superseded'))
            $rule$),
            ('ledger_in_legacy_has_etag', $rule$legacy_gone_at IS NOT NULL OR legacy_etag IS NOT NULL$rule$),
            ('ledger_withdrawn_is_nowhere',
                $rule$problem <> 'withdrawn' OR (legacy_gone_at IS NOT NULL AND production_modified IS NULL)$rule$),
            ('ledger_dangling_is_not_in_legacy', $rule$problem <> 'dangling' OR legacy_gone_at IS NOT NULL$rule$)
        ) AS r (name, must_be)
        WHERE NOT EXISTS (
            SELECT FROM pg_constraint WHERE conrelid = 's3_migration.ledger'::regclass AND conname = r.name
        )
    LOOP
        EXECUTE 'ALTER TABLE s3_migration.ledger ADD CONSTRAINT ' || rule.name || ' CHECK (' || rule.must_be || ')';
    END LOOP;
END
$$
