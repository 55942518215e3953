"""What every task and every parse of the DAG files needs is loaded once, before Airflow forks, and not in each of them.

Python imports a module of this name at its start, where its folder is on PYTHONPATH.
"""

import sys

if {"scheduler", "dag-processor"} & set(sys.orig_argv):
    import s3_migration.ui.dag_factory  # noqa: F401
