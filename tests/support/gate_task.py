"""may_delete as a worker has it: Airflow's own runner in this process, with a supervisor that writes down."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.api.datamodels import _generated as sdk
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import CreateHITLDetailPayload, HITLDetailRequestResult

from . import ROOT

RUN = "manual__2026-05-01T10:00:00+00:00"
NOW = datetime(2026, 5, 1, tzinfo=timezone.utc)


class Supervisor:
    """Takes a task's messages."""

    def __init__(self, shown: dict[str, Any]) -> None:
        self.messages: list[Any] = []
        self.shown = shown

    def send(self, msg: Any) -> Any:
        self.messages.append(msg)
        if isinstance(msg, CreateHITLDetailPayload):
            return HITLDetailRequestResult(**{**msg.model_dump(exclude={"type"}), **self.shown})
        return None


def instance(**more: Any) -> task_runner.RuntimeTaskInstance:
    """Of migrate_avatars; `more` is what the server says of it besides."""
    known = dict.fromkeys(name for name, each in sdk.DagRun.model_fields.items() if each.is_required())
    known |= {
        "dag_id": "migrate_avatars",
        "run_id": RUN,
        "run_after": NOW,
        "run_type": "manual",
        "state": "running",
    }
    return task_runner.RuntimeTaskInstance.model_construct(
        id=uuid4(),
        task_id="may_delete",
        dag_id="migrate_avatars",
        run_id=RUN,
        try_number=1,
        map_index=-1,
        start_date=NOW,
        task=DagBag(str(ROOT / "dags")).dags["migrate_avatars"].get_task("may_delete"),
        _ti_context_from_server=sdk.TIRunContext.model_construct(
            dag_run=sdk.DagRun(**known | {"consumed_asset_events": []}), **{"max_tries": 0, **more}
        ),
    )
