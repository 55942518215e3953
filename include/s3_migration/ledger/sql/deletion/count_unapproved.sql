-- What of a chunk may be deleted but for the age of the proof, and how much of it still needs somebody's word.
SELECT
    count(*) AS due,
    count(*) FILTER (WHERE d.unapproved) AS objects,
    coalesce(sum(d.legacy_size) FILTER (WHERE d.unapproved), 0)::bigint AS bytes,
    min(d.legacy_key) FILTER (WHERE d.unapproved) AS first_key,
    max(d.legacy_key) FILTER (WHERE d.unapproved) AS last_key
FROM (
    SELECT l.legacy_key, l.legacy_size, {approved} IS NOT TRUE AS unapproved
    FROM s3_migration.ledger AS l
    JOIN s3_migration.run AS r ON r.run_no = l.run_no
    WHERE
        l.migration_id = %(migration_id)s AND l.run_no = %(run_no)s
        AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
        AND {may_be_deleted}
        AND l.owned_since <= r.verified_at
        AND {grace_ends} <= r.verified_at
) AS d
