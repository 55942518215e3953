-- Since version 7: how far each lane of a listing that is under way has come (s3/parallel_listing.py): all before it is merged.
CREATE TABLE IF NOT EXISTS s3_migration.lane (
    run_no bigint NOT NULL REFERENCES s3_migration.run,
    lane integer NOT NULL,
    start_key text COLLATE "C" NOT NULL, -- it began after this key
    first_keys text[] COLLATE "C" NOT NULL, -- of its first page: who meets one of them has come to the lane's beginning
    last_key text COLLATE "C" NOT NULL, -- of its last page
    token text, -- asks for the next page; null: the lane has ended
    PRIMARY KEY (run_no, lane)
)
