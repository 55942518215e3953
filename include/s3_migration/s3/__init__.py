"""S3: all that is asked of the two stores, in bulk, conditional, counted; `hook.BulkS3Hook` is the one face.

Belongs here: requests, their retries and pace, and what their answers say. Does not: what an object's state permits,
SQL, declarations, or anything of a run (model, ledger, steps).
"""
