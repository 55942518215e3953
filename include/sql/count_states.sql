-- Every object of the run, or of a range of its keys, in exactly one state (include/kinds.py).
SELECT c.state, count(*) AS objects, coalesce(sum(c.legacy_size), 0)::bigint AS bytes
FROM (
    SELECT
        l.legacy_size,
        CASE
            WHEN l.kind IS NOT NULL THEN l.kind
            WHEN l.copied_at IS NULL THEN 'listed'
            WHEN l.gone_at IS NOT NULL THEN 'moved'
            WHEN l.copied_etag IS DISTINCT FROM l.legacy_etag THEN 'listed'
            WHEN r.mode = 'move' AND coalesce(l.switched_at, r.switched_at) + r.grace_period > now() THEN 'waiting'
            ELSE 'copied'
        END AS state
    FROM s3_migration.ledger AS l
    JOIN s3_migration.run AS r ON r.run_no = l.run_no
    WHERE
        l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
        AND l.legacy_key >= coalesce(%(first_key)s, '')
        AND (%(last_key)s::text IS NULL OR l.legacy_key <= %(last_key)s)
) AS c
GROUP BY c.state
