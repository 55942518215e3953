"""The decisions, as pure functions and frozen values: the same input gives the same answer, nothing is asked or sent.

Here belongs: what an object's state permits, what a run param or a declaration's field means, how much to do at once.
Not here: Airflow, PostgreSQL, S3, the clock. `make check` refuses to import the first three.
"""
