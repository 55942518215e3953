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
LEFT JOIN s3_migration.ledger AS l
    ON l.migration_id = %(migration_id)s AND l.legacy_key = ANY(ARRAY(SELECT k.key FROM {legacy} AS k))
    AND l.legacy_key = s.key
CROSS JOIN LATERAL (SELECT {production_holds} AS holds) AS v
-- Not ON CONFLICT, which asks each index entry twice: nobody else writes here while the lease is fenced.
WHERE l.legacy_key IS NULL
-- In the order of the ledger's index, which would else be filled at a thousand places at once; and the ledger's pages
-- hold neighbours, which chunks and batches then ask for together.
ORDER BY s.key
