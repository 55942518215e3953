-- The keys that switch_rows.sql is going to ask the ledger for, of some pages; some of them, where there are many.
SELECT {from_key} AS key
FROM {paths}
WHERE
    a.ctid >= %(first)s::tid AND a.ctid < %(last)s::tid
    AND {names_from}
LIMIT %(limit)s
