-- Of the listed objects as many as tell how many are named by rows: of this session alone.
CREATE TEMPORARY TABLE listed_sample (
    key text COLLATE "C" PRIMARY KEY,
    named boolean NOT NULL DEFAULT false, -- by a row, by either path
    rows bigint NOT NULL DEFAULT 0 -- that name it by the legacy path
)
