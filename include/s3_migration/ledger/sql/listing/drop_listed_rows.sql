-- What a second look found in legacy is no dangling row: it came while the first was taken.
DELETE FROM {rows} AS r USING {legacy} AS s WHERE s.key = r.key
