"""What people see of a migration in Airflow: DAG and trigger form, the steps that wait, alerts, pages of docs.

Wiring alone: what a task does is in steps/, what is decided in model/. `dags/` and `plugins/` hold what Airflow finds,
a few lines each that call in here.
"""
