"""What a person runs in a shell: one module for each command of `python -m s3_migration`, and what they share.

Here belongs: reading arguments, wording answers, printing SQL and policies for an administrator to run.
Not here: what a task needs as well (`steps/`), a decision (`model/`), a statement of SQL (`ledger/sql/`).
"""
