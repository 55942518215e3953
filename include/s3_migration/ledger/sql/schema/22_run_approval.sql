-- Since version 6: whose word the deletions of a run need, as declared when it was checked (null: nobody's). When a person
-- was last asked; whether it was approved (null: nobody has answered), when (Airflow's clock) and by whom. An approval is
-- for what the run has owned since before it was asked for.
ALTER TABLE s3_migration.run
ADD COLUMN IF NOT EXISTS approve_deletion text CHECK (approve_deletion IN ('first', 'every')),
ADD COLUMN IF NOT EXISTS approval_asked_at timestamptz,
ADD COLUMN IF NOT EXISTS approved boolean,
ADD COLUMN IF NOT EXISTS answered_at timestamptz,
ADD COLUMN IF NOT EXISTS answered_by text
