-- A listing that is taken again draws its chunks again.
GRANT SELECT, INSERT, DELETE ON s3_migration.chunk TO {role}
