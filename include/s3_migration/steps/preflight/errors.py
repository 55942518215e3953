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


def set_up(declaration: Declaration) -> str:
    return f"an administrator runs: python -m s3_migration setup {declaration.name} --sql | psql …"


class Refusal:
    """How check refuses a migration: called with what is wrong, and what fixes it."""

    def __init__(self, declaration: Declaration) -> None:
        self.declaration = declaration
        self.set_up = set_up(declaration)

    def __call__(self, what: str, fix: str) -> PreflightFailed:
        return PreflightFailed(f"Migration {self.declaration.name}: {what}. Nothing was touched. Fix: {fix}.")
