-- What rows were found to name, as far as a pass has come: of this session alone.
CREATE TEMPORARY TABLE listed_named (key text COLLATE "C" PRIMARY KEY)
