"""Whether a migration is whole for the product, told from S3 and SQL alone: rows, both listings, and nothing else.

It shares no code with what moves the objects, so that one mistake cannot hide the other: of the package it imports only
the declaration (model/), never ledger/, s3/ or steps/ (make check holds it). It writes nothing but scratch files.
"""
