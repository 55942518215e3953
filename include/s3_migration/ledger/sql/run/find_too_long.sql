-- A path that will not fit into its column once it is switched.
SELECT n.path FROM {paths} WHERE {names_from} AND char_length(n.path) > %(longest)s LIMIT 1
