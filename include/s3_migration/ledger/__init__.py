"""The ledger: the connection to the product's database, the lease, and a typed function for each statement of `sql/`.

A folder of `sql/` has its functions in the file of its name; each says whether it needs a migration or a run, and what.
Here belongs no decision about an object (`model`, and the SQL), nothing of S3 (`s3`), and no order of work (`steps`).
"""
