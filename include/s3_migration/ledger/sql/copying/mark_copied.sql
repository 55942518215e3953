-- One batch of answers. A refused copy keeps what was known of an earlier one. A copy made after the run's switch,
-- and not as part of a proof, starts its grace period now: the next proof asks the rows about it before it may go.
UPDATE s3_migration.ledger AS l
SET
    legacy_size = b.size,
    legacy_etag = b.etag,
    copied_etag = CASE WHEN b.problem IS NULL THEN b.etag ELSE l.copied_etag END,
    production_etag = CASE WHEN b.problem IS NULL THEN b.production_etag ELSE l.production_etag END,
    production_modified = CASE WHEN b.problem IS NULL THEN b.production_modified ELSE l.production_modified END,
    switched_at = CASE
        WHEN b.problem IS NULL THEN CASE WHEN r.switched_at IS NOT NULL AND NOT %(proving)s THEN now() END
        ELSE l.switched_at
    END,
    legacy_gone_at = CASE WHEN b.problem = 'withdrawn' THEN now() END,
    problem = CASE WHEN b.problem <> 'withdrawn' OR {no_copy} THEN b.problem END,
    error_code = CASE WHEN b.problem = 'failed' THEN b.error_code END,
    copy_missing = false,
    rewritten = l.rewritten AND b.problem IS NOT NULL,
    bytes_proven = l.bytes_proven AND b.problem IS NOT NULL,
    detail = b.detail
FROM s3_migration.run AS r,
unnest(
    %(keys)s::text[], %(sizes)s::bigint[], %(etags)s::text[], %(production_etags)s::text[],
    %(production_modifieds)s::timestamptz[], %(problems)s::text[], %(error_codes)s::text[], %(details)s::text[]
) AS b (key, size, etag, production_etag, production_modified, problem, error_code, detail)
WHERE
    l.legacy_key = ANY(%(keys)s::text[]) -- for the index: by statistics of another night a join reads all of the ledger
    AND l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.legacy_key = b.key
    AND r.run_no = %(run_no)s
