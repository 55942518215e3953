"""What each task of a run does, a file a task, and what several of them share: the run itself, the proof, the lookups.

Here belongs the order of work, and the message of whatever ends it. How a thing is asked of the database is in
`ledger`, how of S3 in `s3`, what an answer means for an object in `model`; of Airflow only its exceptions are known.
"""
