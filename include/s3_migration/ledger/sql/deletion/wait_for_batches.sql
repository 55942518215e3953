-- Every batch on its way holds this row to its end (fence.sql), and one that begins later finds deletion stopped: when
-- the lock is had, nothing is deleted any more.
SELECT 1 FROM s3_migration.migration WHERE name = %(name)s FOR UPDATE
