-- Our copy is gone. Where a row names it, it is made again while legacy lasts; where none does, the application
-- removed it: its own business. One pass over the tables, run only where there is such an object; a grouping, as in
-- count_rows_left.sql.
UPDATE s3_migration.ledger AS l
SET
    problem = j.problem,
    copy_missing = j.problem IS NOT NULL AND NOT j.made_anew,
    copied_etag = CASE WHEN NOT j.made_anew THEN l.copied_etag END,
    production_etag = CASE WHEN NOT j.made_anew THEN l.production_etag END,
    production_modified = CASE WHEN NOT j.made_anew THEN l.production_modified END,
    rewritten = l.rewritten AND NOT j.made_anew,
    detail = CASE WHEN j.problem IS NOT NULL THEN l.detail END
FROM (
    SELECT
        u.key,
        CASE
            WHEN NOT bool_or(u.named) THEN 'superseded'
            WHEN bool_or(u.gone) THEN 'damaged'
            ELSE %(problem_if_referenced)s::text
        END AS problem,
        bool_or(u.named) AND NOT bool_or(u.gone) AS made_anew
    FROM (
        SELECT l.legacy_key AS key, true AS missing, false AS named, l.legacy_gone_at IS NOT NULL AS gone
        FROM s3_migration.ledger AS l
        WHERE
            l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
            AND {copy_missing}
            AND (%(keys)s::text[] IS NULL OR l.legacy_key = ANY(%(keys)s))
        UNION ALL
        SELECT n.key, false, true, false FROM ({rows_naming_either}) AS n
    ) AS u
    GROUP BY u.key
    HAVING bool_or(u.missing)
) AS j
WHERE l.migration_id = %(migration_id)s AND l.legacy_key = j.key
