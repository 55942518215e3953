"""What Airflow finds first: the DAGs, one for each sound declaration. They are made in s3_migration/ui/dag_factory.py.

A DAG file is a few lines without logic. It must not fail: Airflow takes all DAGs of a file that does out of service.
"""

from s3_migration.ui.dag_factory import sound_dags

globals().update(sound_dags())
