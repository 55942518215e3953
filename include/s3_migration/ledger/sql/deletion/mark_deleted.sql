-- One batch of answers: gone, or rewritten since the copy (kept, copied again by the next run), or refused.
UPDATE s3_migration.ledger AS l
SET
    legacy_gone_at = CASE WHEN b.problem IS NULL THEN now() END,
    legacy_size = coalesce(b.size, l.legacy_size),
    legacy_etag = coalesce(b.etag, l.legacy_etag),
    legacy_modified = coalesce(b.modified, l.legacy_modified),
    problem = b.problem,
    error_code = CASE WHEN b.problem = 'failed' THEN b.error_code END,
    detail = b.detail
FROM unnest(
    %(keys)s::text[], %(problems)s::text[], %(error_codes)s::text[], %(details)s::text[],
    %(sizes)s::bigint[], %(etags)s::text[], %(modifieds)s::timestamptz[]
) AS b (key, problem, error_code, detail, size, etag, modified)
WHERE
    l.legacy_key = ANY(%(keys)s::text[]) -- for the index: by statistics of another night a join reads all of the ledger
    AND l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.legacy_key = b.key
