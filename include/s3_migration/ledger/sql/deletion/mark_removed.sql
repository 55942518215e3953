-- One batch of answers: the copy is gone, as if it had never been made; or production was written since; or refused.
UPDATE s3_migration.ledger AS l
SET
    copied_etag = CASE WHEN b.problem IS NOT NULL THEN l.copied_etag END,
    production_etag = CASE WHEN b.problem IS NOT NULL THEN l.production_etag END,
    production_modified = CASE WHEN b.problem IS NOT NULL THEN l.production_modified END,
    switched_at = CASE WHEN b.problem IS NOT NULL THEN l.switched_at END,
    problem = CASE WHEN b.problem = 'changed' THEN 'superseded' ELSE b.problem END,
    rewritten = l.rewritten AND b.problem IS NOT NULL,
    error_code = CASE WHEN b.problem = 'failed' THEN b.error_code END,
    detail = b.detail
FROM unnest(
    %(keys)s::text[], %(problems)s::text[], %(error_codes)s::text[], %(details)s::text[]
) AS b (key, problem, error_code, detail)
WHERE
    l.legacy_key = ANY(%(keys)s::text[]) -- for the index: by statistics of another night a join reads all of the ledger
    AND l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.legacy_key = b.key
