"""Moves S3 objects from a legacy to a production bucket while the database rows that name them follow.

model/     decisions, pure: states, key mapping, the declaration, run params, the forecast
s3/        every S3 request: the hook, and the client under it
ledger/    every statement of SQL (`ledger/sql`, a folder for each step), the lease, the staging tables
steps/     what each task of the DAG does, a file for each task
ui/        what Airflow shows and sends: sensors, alerts, the docs pages
commands/  what a person runs: `python -m s3_migration --help`

Imports point one way: ui and commands -> steps -> ledger and s3 -> model. `make check` holds it. Nothing but wiring
belongs in `dags/` and `plugins/`, and nothing that is not deployed (`devstack/`, `bench/`) in here.
"""
