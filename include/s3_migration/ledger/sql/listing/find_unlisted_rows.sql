-- Keys that rows name below the legacy path and that the listing did not show. One pass over the table.
INSERT INTO {rows} (key)
SELECT DISTINCT (%(legacy_prefix)s || substr(a.{column}, %(legacy_path_rest)s)) COLLATE "C"
FROM {table} AS a
WHERE
    starts_with(a.{column}, %(legacy_path_prefix)s)
    AND NOT EXISTS (
        SELECT FROM {legacy} AS s
        WHERE s.key = (%(legacy_prefix)s || substr(a.{column}, %(legacy_path_rest)s)) COLLATE "C"
    )
