-- Since version 2: what a run was asked for beyond its mode.
ALTER TABLE s3_migration.run
ADD COLUMN IF NOT EXISTS window_start timestamptz, -- only what was last modified from here
ADD COLUMN IF NOT EXISTS window_end timestamptz, -- to before here; both null: whatever its age
ADD COLUMN IF NOT EXISTS removes_copies boolean NOT NULL DEFAULT false -- an undo that empties production of our copies
