-- All its requests were answered; and of others that nobody ended, what is over long since.
DELETE FROM s3_migration.deletion
WHERE
    migration_id = %(migration_id)s
    AND (deletion_no = %(deletion_no)s OR deleting_until < now() - interval '1 day')
