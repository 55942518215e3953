"""No DAG: an import error in Airflow's UI while a declaration is broken, with file, field, value and fix.

In a file of its own, so that it takes no DAG of dags/migrations.py out of service, nor a run at work.
"""

from s3_migration.ui.dag_factory import refuse_broken

refuse_broken()
