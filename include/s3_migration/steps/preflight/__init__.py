"""What check asks before anything is touched: of the database, of the stores, and with a canary of what they honour.

Here belongs whatever can be missing, with the fix that its message names; all of it in seconds, whatever the size.
Nothing here writes, but for the canary; the lease, the run and the acknowledgements are `check`'s.
"""
