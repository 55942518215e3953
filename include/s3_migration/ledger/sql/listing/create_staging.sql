-- Of this session alone: nobody else can empty it, and nothing is left of a task that is killed.
CREATE TEMPORARY TABLE {staging} (
    key text COLLATE "C" NOT NULL, -- the legacy key, of production too
    size bigint,
    etag text,
    modified timestamptz
)
