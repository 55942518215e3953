-- The same content with other properties than its copy: copied anew.
UPDATE s3_migration.ledger AS l
SET problem = 'changed', rewritten = true, detail = b.detail
FROM unnest(%(keys)s::text[], %(details)s::text[]) AS b (key, detail)
WHERE
    l.legacy_key = ANY(%(keys)s::text[]) -- for the index: by statistics of another night a join reads all of the ledger
    AND l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s AND l.legacy_key = b.key AND {may_be_deleted}
