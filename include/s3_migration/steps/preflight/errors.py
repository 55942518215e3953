"""What check says where something that the run needs is missing."""

from __future__ import annotations

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from s3_migration.model.declaration import Declaration


class PreflightFailed(AirflowFailException):
    """Something that the run needs is not there. The message says what, where, and what fixes it."""


class PreflightRetryable(AirflowException):
    """As PreflightFailed, but the error is one that time fixes."""


def no_connection(declaration: Declaration, conn_id: str) -> PreflightFailed:
    return PreflightFailed(
        f"Migration {declaration.name}: Airflow has no connection {conn_id!r}. Nothing was touched. "
        f"Fix: define it, e.g. as AIRFLOW_CONN_{conn_id.upper()}."
    )
