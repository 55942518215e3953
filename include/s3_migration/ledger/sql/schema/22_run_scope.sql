-- Since version 2: what a run was asked for beyond its mode. A window takes only what was last modified from its start
-- to before its end (both null: whatever its age); remove_copies is of an undo that empties production of our copies.
ALTER TABLE s3_migration.run
ADD COLUMN IF NOT EXISTS window_start timestamptz,
ADD COLUMN IF NOT EXISTS window_end timestamptz,
ADD COLUMN IF NOT EXISTS remove_copies boolean NOT NULL DEFAULT false
