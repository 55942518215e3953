-- Rows that name the path which they might have been switched from, as a pass finds them: such an object is kept. No join:
-- where the ledger's statistics are stale, one compares each key with each.
UPDATE s3_migration.ledger AS l
SET
    problem = CASE WHEN l.problem = 'withdrawn' THEN 'dangling' ELSE 'still_referenced' END,
    error_code = NULL,
    copy_missing = false,
    detail = CASE
        WHEN l.problem IS DISTINCT FROM 'withdrawn'
            THEN format(
                '%%s holds %%L after it was switched: the application writes it, or a trigger keeps it',
                %(reference)s::text, %(paths)s::jsonb ->> l.legacy_key
            )
    END
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.legacy_key = ANY(%(keys)s)
    AND ((NOT %(undo)s AND l.problem = 'withdrawn') OR {should_be_switched})
