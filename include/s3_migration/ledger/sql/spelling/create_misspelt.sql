-- Rows that name objects in another spelling: of this session alone.
CREATE TEMPORARY TABLE listed_misspelt (
    key text COLLATE "C" NOT NULL, -- of the object
    reference text NOT NULL,
    path text NOT NULL, -- what the row holds
    exact text COLLATE "C", -- the key that this names as it is spelt, where it begins as declared
    path_prefix text NOT NULL, -- as declared
    rest text NOT NULL -- of the key, after its prefix
)
