-- What the ledger does not know yet. What production holds with the same size and ETag costs no copy.
INSERT INTO s3_migration.ledger (
    migration_id, legacy_key, legacy_size, legacy_etag, legacy_modified, run_no,
    copied_etag, production_etag, production_modified, problem, detail
)
SELECT
    %(migration_id)s, s.key, s.size, s.etag, s.modified, %(run_no)s,
    CASE WHEN v.same THEN s.etag END,
    CASE WHEN v.same THEN p.etag END,
    CASE WHEN v.same THEN p.modified END,
    CASE WHEN p.key IS NOT NULL AND NOT v.same THEN 'conflict' END,
    CASE
        WHEN p.key IS NOT NULL AND NOT v.same
            THEN format('production holds %%s bytes, ETag %%s, since %%s', p.size, p.etag, p.modified)
    END
FROM {legacy} AS s
LEFT JOIN {production} AS p ON p.key = s.key
CROSS JOIN LATERAL (SELECT coalesce(p.size = s.size AND p.etag = s.etag, false) AS same) AS v
-- In the order of the ledger's index, which would else be filled at a thousand places at once; and the ledger's pages
-- hold neighbours, which chunks and batches then ask for together.
ORDER BY s.key
ON CONFLICT (migration_id, legacy_key) DO NOTHING
