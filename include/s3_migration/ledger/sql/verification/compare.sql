-- What legacy and production hold now, against the ledger. Only what is not as it should be is written.
UPDATE s3_migration.ledger AS o
SET
    legacy_gone_at = j.legacy_gone_at,
    legacy_size = CASE WHEN j.problem = 'changed' THEN j.size ELSE o.legacy_size END,
    legacy_etag = CASE WHEN j.problem = 'changed' THEN j.etag ELSE o.legacy_etag END,
    legacy_modified = CASE WHEN j.problem = 'changed' THEN j.modified ELSE o.legacy_modified END,
    problem = j.problem,
    error_code = CASE WHEN j.of_rows THEN o.error_code END,
    copy_missing = j.copy_missing,
    rewritten = CASE WHEN j.problem = 'changed' THEN j.etag = o.copied_etag ELSE o.rewritten END,
    detail = CASE WHEN j.of_rows THEN o.detail ELSE j.detail END
FROM (
    SELECT
        l.legacy_key, s.size, s.etag, s.modified,
        l.problem AS known_problem, l.legacy_gone_at AS known_gone_at, l.copy_missing AS known_missing,
        CASE WHEN s.key IS NULL THEN coalesce(l.legacy_gone_at, now()) END AS legacy_gone_at,
        coalesce(w.problem, u.problem) AS problem,
        w.problem IS NULL AND u.problem IS NOT NULL AS of_rows,
        v.holds = 'nothing' AS copy_missing,
        CASE
            WHEN w.problem = 'changed'
                THEN format(
                    'legacy holds ETag %%s since %%s, ETag %%s of %%s was copied',
                    s.etag, s.modified, l.copied_etag, l.legacy_modified
                )
            WHEN w.problem IS NOT NULL THEN {held}
        END AS detail
    FROM s3_migration.ledger AS l
    LEFT JOIN {legacy} AS s ON s.key = l.legacy_key
    LEFT JOIN {production} AS p ON p.key = l.legacy_key
    CROSS JOIN LATERAL (SELECT {production_holds} AS holds) AS v
    CROSS JOIN LATERAL (
        SELECT coalesce(
            {problem_of_copy},
            CASE
                WHEN s.key IS NOT NULL AND (s.etag IS DISTINCT FROM l.copied_etag OR l.rewritten OR {written_later})
                    THEN 'changed'
            END
        ) AS problem
    ) AS w
    -- What rows name is no business of this look: the pass over them that follows ends it, or not.
    CROSS JOIN LATERAL (SELECT CASE WHEN l.problem IN ({problems_of_rows}) THEN l.problem END AS problem) AS u
    WHERE
        -- No range of keys, in which others' may lie without number.
        l.migration_id = %(migration_id)s AND l.legacy_key = ANY(%(keys)s::text[]) AND l.run_no = %(run_no)s
        AND {may_be_compared}
        -- Of a refused deletion the reason stays, until the verification is asked for again.
        AND (l.problem IS DISTINCT FROM 'failed' OR %(proving)s)
) AS j
WHERE
    o.migration_id = %(migration_id)s AND o.legacy_key = ANY(%(keys)s::text[]) AND o.legacy_key = j.legacy_key
    -- Asked before the ledger is joined with itself as well: nearly nothing is left to join then.
    AND (j.known_problem, j.known_gone_at, j.known_missing)
    IS DISTINCT FROM (j.problem, j.legacy_gone_at, j.copy_missing)
    AND (o.problem, o.legacy_gone_at, o.copy_missing) IS DISTINCT FROM (j.problem, j.legacy_gone_at, j.copy_missing)
