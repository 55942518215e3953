SELECT DISTINCT error_code AS code FROM s3_migration.state
WHERE
    migration_id = %(migration_id)s AND run_no = %(run_no)s
    AND legacy_key >= coalesce(%(first_key)s, '')
    AND (%(last_key)s::text IS NULL OR legacy_key <= %(last_key)s)
    AND state = 'failed' AND acknowledged IS NULL
