-- Cleared after a later run had adopted what this one left (adopt.sql): it takes it back, and is red or green for it
-- again. The later run's switch counts for the grace period; of this run's own nothing does that is older (owned_since).
UPDATE s3_migration.ledger AS l
SET
    run_no = %(run_no)s,
    owned_since = now(),
    switched_at = coalesce(l.switched_at, CASE WHEN l.problem IS NULL THEN {switched_by_former} END)
FROM s3_migration.run AS former, s3_migration.run AS this
WHERE
    l.migration_id = %(migration_id)s
    AND l.legacy_key >= %(first_key)s AND l.legacy_key <= %(last_key)s
    AND l.legacy_gone_at IS NULL
    AND l.run_no > %(run_no)s
    AND former.run_no = l.run_no
    -- A canary's objects are not all there are between its first and its last, nor are those of a window.
    AND this.run_no = %(run_no)s AND this.object_limit IS NULL
    AND (
        this.window_start IS NULL
        OR (l.legacy_modified >= this.window_start AND l.legacy_modified < this.window_end)
    )
