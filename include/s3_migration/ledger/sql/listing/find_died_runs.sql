-- Runs that were deleting and died before their last look: the application may have removed a copy since its proof.
SELECT d.run_no FROM s3_migration.run AS d
WHERE
    d.migration_id = %(migration_id)s AND d.run_no <> %(run_no)s AND d.mode = 'move'
    AND d.verified_at IS NOT NULL AND d.finished_at IS NULL
