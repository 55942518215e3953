-- One batch of answers. A refused copy keeps what was known of an earlier one. A copy made after the run's switch,
-- and not as part of a proof, starts its grace period now: the next proof asks the rows about it before it may go.
UPDATE s3_migration.ledger AS l
SET
    legacy_size = b.size,
    legacy_etag = b.etag,
    copied_etag = CASE WHEN b.kind IS NULL THEN b.etag ELSE l.copied_etag END,
    production_etag = CASE WHEN b.kind IS NULL THEN b.production_etag ELSE l.production_etag END,
    copied_at = CASE WHEN b.kind IS NULL THEN b.copied_at ELSE l.copied_at END,
    switched_at = CASE
        WHEN b.kind IS NULL THEN CASE WHEN r.switched_at IS NOT NULL AND NOT %(proving)s THEN now() END
        ELSE l.switched_at
    END,
    gone_at = CASE WHEN b.kind = 'withdrawn' THEN now() END,
    kind = CASE WHEN b.kind = 'withdrawn' AND l.copied_at IS NOT NULL THEN NULL ELSE b.kind END,
    detail = b.detail
FROM unnest(
    %(keys)s::text[], %(sizes)s::bigint[], %(etags)s::text[], %(production_etags)s::text[],
    %(copied_ats)s::timestamptz[], %(kinds)s::text[], %(details)s::text[]
) AS b (key, size, etag, production_etag, copied_at, kind, detail),
s3_migration.run AS r
WHERE
    l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.legacy_key = b.key
    AND r.run_no = %(run_no)s
