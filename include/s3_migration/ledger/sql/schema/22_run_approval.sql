-- Since version 6: whose word the deletions of a run need (null: nobody's), as declared when it was checked; when a person
-- was last asked, and what was answered. An approval is for what the run has owned since before it was asked for.
ALTER TABLE s3_migration.run
ADD COLUMN IF NOT EXISTS approve_deletion text CHECK (approve_deletion IN ('first', 'every')),
ADD COLUMN IF NOT EXISTS approval_asked_at timestamptz,
ADD COLUMN IF NOT EXISTS approved boolean, -- null: nobody has answered
ADD COLUMN IF NOT EXISTS answered_at timestamptz, -- Airflow's clock
ADD COLUMN IF NOT EXISTS answered_by text -- as Airflow knows the person
