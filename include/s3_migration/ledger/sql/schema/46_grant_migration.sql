-- The lease may be moved, and deletion be stopped: whoever can stop a deletion at 3 a.m. is the on-call SRE with Airflow
-- (python -m s3_migration stop), not the database's administrator. Making a migration is an administrator's.
GRANT SELECT, UPDATE (lease_run_no, lease_token, lease_until, deletion_stopped, requests_expire, declared)
ON s3_migration.migration TO {role}
