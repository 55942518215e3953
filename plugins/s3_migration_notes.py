"""A note on each red run of a migration, which names the cause; Airflow's scheduler calls this as a run ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun


class Listener:
    """Imports at the first call, for the reason that s3_migration_docs.py gives."""

    @hookimpl
    def on_dag_run_failed(self, dag_run: DagRun, msg: str) -> None:
        from s3_migration.ui import run_note

        run_note.write_cause(dag_run, msg)

    @hookimpl
    def on_dag_run_success(self, dag_run: DagRun, msg: str) -> None:
        from s3_migration.ui import run_note

        run_note.remove_cause(dag_run)


class S3MigrationNotes(AirflowPlugin):
    name = "s3_migration_notes"
    listeners = [Listener()]  # noqa: RUF012 (Airflow's type)
