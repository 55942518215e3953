-- No batch begins from now on: each asks for this in its own statement (find_deletable.sql). No lock that a batch on its
-- way would hold up.
UPDATE s3_migration.migration SET deletion_stopped = %(reason)s WHERE name = %(name)s
