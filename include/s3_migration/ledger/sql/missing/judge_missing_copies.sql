-- Our copy is gone. Where a row names it, it is made again while legacy lasts; where none does, the application removed it:
-- its own business. As in mark_still_referenced.sql, by key and not by a join.
UPDATE s3_migration.ledger AS l
SET
    (problem, copy_missing, copied_etag, production_etag, production_modified, rewritten, detail) = (
        SELECT
            j.problem,
            j.problem IS NOT NULL AND NOT j.made_anew,
            CASE WHEN NOT j.made_anew THEN l.copied_etag END,
            CASE WHEN NOT j.made_anew THEN l.production_etag END,
            CASE WHEN NOT j.made_anew THEN l.production_modified END,
            l.rewritten AND NOT j.made_anew,
            CASE WHEN j.problem IS NOT NULL THEN l.detail END
        FROM (SELECT l.legacy_key = ANY(%(named)s) AS named, l.legacy_gone_at IS NOT NULL AS gone) AS n
        CROSS JOIN LATERAL (
            SELECT
                CASE
                    WHEN NOT n.named THEN 'superseded'
                    WHEN n.gone THEN 'damaged'
                    ELSE %(problem_if_referenced)s::text
                END AS problem,
                n.named AND NOT n.gone AS made_anew
        ) AS j
    )
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.legacy_key = ANY(%(keys)s)
    AND {copy_missing}
