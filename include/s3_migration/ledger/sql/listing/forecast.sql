-- What a slice of the listing found, before anything of it is written; without what this listing has seen before.
SELECT
    count(*) AS objects,
    coalesce(sum(s.size), 0)::bigint AS bytes,
    count(*) FILTER (WHERE v.holds = 'same' OR (v.holds = 'known' AND s.etag = l.copied_etag)) AS already_there,
    count(*) FILTER (WHERE l.copied_etag IS NULL AND {problem_without_copy} = 'conflict') AS conflict
FROM {legacy} AS s
LEFT JOIN {production} AS p ON p.key = s.key
LEFT JOIN s3_migration.ledger AS l ON l.migration_id = %(migration_id)s AND l.legacy_key = s.key
CROSS JOIN LATERAL (SELECT {production_holds} AS holds) AS v
WHERE {adopted} IS NOT TRUE
