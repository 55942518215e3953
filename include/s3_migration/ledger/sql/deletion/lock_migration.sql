-- Every batch holds this row while it is written down (fence.sql, begin_deletion.sql), and one that begins later finds
-- deletion stopped: when the lock is had, all that may be under way is in table deletion.
SELECT 1 FROM s3_migration.migration WHERE name = %(name)s FOR UPDATE
