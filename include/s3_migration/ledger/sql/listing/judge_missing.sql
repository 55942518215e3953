-- Our copy is gone. Where a row names it, it is made anew while legacy lasts; where none does, the application
-- removed it: its own business. One pass over the table, run only where there is such an object; a grouping, as in
-- count_rows_left.sql.
UPDATE s3_migration.ledger AS l
SET
    problem = CASE WHEN n.named THEN %(problem_if_referenced)s ELSE 'superseded' END,
    copied_etag = CASE WHEN NOT n.named OR l.legacy_gone_at IS NOT NULL THEN l.copied_etag END,
    production_etag = CASE WHEN NOT n.named OR l.legacy_gone_at IS NOT NULL THEN l.production_etag END,
    production_modified = CASE WHEN NOT n.named OR l.legacy_gone_at IS NOT NULL THEN l.production_modified END
FROM (
    SELECT u.key, bool_or(NOT u.missing) AS named
    FROM (
        SELECT c.legacy_key AS key, true AS missing
        FROM s3_migration.ledger AS c
        WHERE
            c.migration_id = %(migration_id)s AND c.run_no = %(run_no)s
            AND c.problem = 'damaged' AND c.detail = 'production holds no object'
            AND (%(keys)s::text[] IS NULL OR c.legacy_key = ANY(%(keys)s))
        UNION ALL
        SELECT
            CASE
                WHEN starts_with(a.{column}, %(legacy_path_prefix)s)
                    THEN %(legacy_prefix)s || substr(a.{column}, %(legacy_path_rest)s)
                ELSE %(legacy_prefix)s || substr(a.{column}, %(production_path_rest)s)
            END COLLATE "C",
            false
        FROM {table} AS a
        WHERE
            starts_with(a.{column}, %(legacy_path_prefix)s) OR starts_with(a.{column}, %(production_path_prefix)s)
    ) AS u
    GROUP BY u.key
    HAVING bool_or(u.missing)
) AS n
WHERE l.migration_id = %(migration_id)s AND l.legacy_key = n.key
