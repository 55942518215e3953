-- Our copy is gone. Where a row names it, it is made again while legacy lasts; where none does, the application removed it:
-- its own business.
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
        m.legacy_key AS key,
        CASE
            WHEN NOT u.named THEN 'superseded'
            WHEN m.legacy_gone_at IS NOT NULL THEN 'damaged'
            ELSE %(problem_if_referenced)s::text
        END AS problem,
        u.named AND m.legacy_gone_at IS NULL AS made_anew
    FROM unnest(%(keys)s::text[], %(nameds)s::boolean[]) AS u (key, named)
    JOIN s3_migration.ledger AS m ON m.migration_id = %(migration_id)s AND m.legacy_key = u.key
) AS j
WHERE l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.legacy_key = j.key AND {copy_missing}
