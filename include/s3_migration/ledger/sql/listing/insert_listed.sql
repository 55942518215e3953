-- What the ledger does not know yet. What production holds with the same size and ETag costs no copy.
INSERT INTO s3_migration.ledger (
    migration_id, legacy_key, legacy_size, legacy_etag, legacy_modified, run_no,
    copied_etag, production_etag, production_modified, problem, detail
)
SELECT
    %(migration_id)s, s.key, s.size, s.etag, s.modified, %(run_no)s,
    CASE WHEN v.holds = 'same' THEN s.etag END,
    CASE WHEN v.holds = 'same' THEN p.etag END,
    CASE WHEN v.holds = 'same' THEN p.modified END,
    {problem_without_copy},
    CASE WHEN {problem_without_copy} IS NOT NULL THEN {held} END
FROM {legacy} AS s
LEFT JOIN {production} AS p ON p.key = s.key
CROSS JOIN (
    SELECT
        NULL::bigint AS legacy_size, NULL::text AS legacy_etag, NULL::text AS copied_etag, NULL::text AS production_etag,
        NULL::timestamptz AS production_modified
) AS l
CROSS JOIN LATERAL (SELECT {production_holds} AS holds) AS v
-- In the order of the ledger's index, which would else be filled at a thousand places at once; and the ledger's pages
-- hold neighbours, which chunks and batches then ask for together.
ORDER BY s.key
ON CONFLICT (migration_id, legacy_key) DO NOTHING
