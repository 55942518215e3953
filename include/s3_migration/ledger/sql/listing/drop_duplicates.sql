-- A store may list a key twice; the later look counts.
DELETE FROM {staging} AS s
USING (
    SELECT ctid, row_number() OVER (PARTITION BY key ORDER BY modified DESC, ctid DESC) AS occurrence FROM {staging}
) AS d
WHERE s.ctid = d.ctid AND d.occurrence > 1
