-- Rows that name the path which they might have been switched from, as a pass finds them: such an object is kept.
UPDATE s3_migration.ledger AS l
SET
    problem = CASE WHEN l.problem = 'withdrawn' THEN 'dangling' ELSE 'still_referenced' END,
    error_code = NULL,
    copy_missing = false,
    detail = CASE
        WHEN l.problem IS DISTINCT FROM 'withdrawn'
            THEN format(
                '%%s holds %%L after it was switched: the application writes it, or a trigger keeps it',
                %(reference)s::text, n.path
            )
    END
FROM unnest(%(keys)s::text[], %(paths)s::text[]) AS n (key, path)
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.legacy_key = n.key
    AND ((NOT %(undo)s AND l.problem = 'withdrawn') OR {should_be_switched})
