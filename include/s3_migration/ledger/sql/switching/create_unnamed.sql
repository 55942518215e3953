-- Objects of which no row names any more what it was switched from, as far as a pass has come: of this session alone.
CREATE TEMPORARY TABLE listed_unnamed (key text COLLATE "C" PRIMARY KEY)
