-- Unlogged: a listing that a crash loses is taken again.
CREATE UNLOGGED TABLE {scratch} (
    key text COLLATE "C" NOT NULL, -- the legacy key, of production too
    size bigint,
    etag text,
    modified timestamptz
)
