-- What the bytes of some copies were found to be, of the very versions that were looked at. Other bytes are damage, and the
-- copy is to be made anew; of what nobody could tell (null) only the reason is kept, for people.
UPDATE s3_migration.ledger AS l
SET
    bytes_proven = coalesce(b.same, false),
    rewritten = coalesce(NOT b.same, false),
    problem = CASE WHEN NOT b.same THEN 'damaged' END,
    detail = b.detail
FROM unnest(
    %(keys)s::text[], %(legacy_etags)s::text[], %(production_etags)s::text[], %(sames)s::boolean[], %(details)s::text[]
) AS b (key, legacy_etag, production_etag, same, detail)
WHERE
    l.legacy_key = ANY(%(keys)s::text[]) -- for the index: by statistics of another night a join reads all of the ledger
    AND l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.legacy_key = b.key
    AND l.copied_etag = b.legacy_etag AND l.production_etag = b.production_etag
    AND {may_leave_legacy}
