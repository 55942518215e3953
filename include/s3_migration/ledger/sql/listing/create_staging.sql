-- Of this session alone: nobody else can empty it, and nothing is left of a task that is killed. Without an index: what is
-- staged is joined by hash (Ledger.join_by_hash).
CREATE TEMPORARY TABLE {staging} (
    key text COLLATE "C" NOT NULL, -- the legacy key, of production too
    size bigint,
    etag text,
    modified timestamptz
)
