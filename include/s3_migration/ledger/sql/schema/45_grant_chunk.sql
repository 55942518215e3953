-- A listing that is taken again draws its chunks again, and a walk begins again; a batch of deletions that was answered is no
-- more under way.
GRANT SELECT, INSERT, DELETE ON s3_migration.chunk, s3_migration.deletion TO {role}
