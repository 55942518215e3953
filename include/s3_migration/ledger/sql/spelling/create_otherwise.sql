-- What rows hold that may name an object in another spelling: of this session alone.
CREATE TEMPORARY TABLE listed_otherwise (
    spelling text COLLATE "C" NOT NULL, -- of a key that it may stand for (plain_key.sql): as that has it, for the index
    exact text COLLATE "C", -- the key that it names as it is spelt, where it begins as declared
    reference text NOT NULL,
    path text NOT NULL, -- what the row holds
    path_prefix text NOT NULL -- as declared
)
