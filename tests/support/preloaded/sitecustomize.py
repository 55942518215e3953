"""What every task and every parse of the DAG files needs is loaded once, before Airflow forks, and not in each of them.

Python imports a module of this name at its start, where its folder is on PYTHONPATH.
"""

import gc
import sys

# Most of what Airflow makes at its start stays: a tenth of its time was looking for what does not.
gc.set_threshold(50_000, 20, 100)

if {"scheduler", "dag-processor", "worker"} & set(sys.orig_argv):
    import boto3
    from light_clients import make_light

    import s3_migration.ui.dag_factory  # noqa: F401

    make_light(setattr)
    # The descriptions that every client is made from.
    boto3.client("s3", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")
