-- Of a piece of the migration, whichever run an object belongs to; and when the last grace period ends of those that wait.
SELECT
    s.state,
    count(*) AS objects,
    count(s.acknowledged) AS acknowledged,
    max(s.grace_ends) FILTER (WHERE s.state = 'waiting') AS waits_until
FROM (
    SELECT {state} AS state, a.reason AS acknowledged, {grace_ends} AS grace_ends
    FROM s3_migration.ledger AS l
    JOIN s3_migration.run AS r ON r.run_no = l.run_no
    LEFT JOIN s3_migration.acknowledged AS a
        ON a.migration_id = l.migration_id AND a.legacy_key = l.legacy_key AND a.problem = l.problem
    WHERE
        l.migration_id = %(migration_id)s AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
) AS s
GROUP BY s.state
