"""Airflow's REST API as its own UI uses it: what the demo and the tests need of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx

ENDED = {"success", "failed"}


class AirflowApi:
    """A logged-in client.

    :raises httpx.HTTPStatusError: the server refused.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        answer = httpx.post(f"{url}/auth/token", json={"username": user, "password": password}, timeout=30)
        answer.raise_for_status()
        token = answer.json()["access_token"]
        self._client = httpx.Client(base_url=f"{url}/api/v2", headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def ask(self, method: str, path: str, **kwargs: Any) -> Any:
        answer = self._client.request(method, path, **kwargs)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def pause(self, dag_id: str, *, paused: bool) -> None:
        self.ask("PATCH", f"/dags/{dag_id}", json={"is_paused": paused})

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """Start a run as the UI does; answers its id."""
        return str(self.ask("POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf})["dag_run_id"])

    def state(self, dag_id: str, run_id: str) -> str:
        return str(self.ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def seconds(self, dag_id: str, run_id: str) -> float:
        """From the start of a run to its end."""
        run = self.ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}")
        return (moment(run["end_date"]) - moment(run["start_date"])).total_seconds()

    def wait(
        self, dag_id: str, run_id: str, *, seconds: float = 300, meanwhile: Callable[[], None] = lambda: None
    ) -> str:
        """Wait until the run has ended; answers its state.

        :raises TimeoutError: it did not end in time.
        """
        until = time.monotonic() + seconds
        while (state := self.state(dag_id, run_id)) not in ENDED:
            if time.monotonic() > until:
                raise TimeoutError(f"run {run_id} of {dag_id} is {state} after {seconds:.0f} s")
            meanwhile()
            time.sleep(0.5)
        return state

    def instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """All task instances of a run; the server answers at most 100 at once."""
        found: list[dict[str, Any]] = []
        while True:
            path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
            page = self.ask("GET", path, params={"limit": 100, "offset": len(found)})
            found += page["task_instances"]
            if not page["task_instances"] or len(found) >= page["total_entries"]:
                return found

    def states(self, dag_id: str, run_id: str) -> dict[str, list[str]]:
        """States of the instances by task, in the order of their map index."""
        states: dict[str, list[str]] = {}
        for each in sorted(self.instances(dag_id, run_id), key=lambda instance: instance["map_index"]):
            states.setdefault(each["task_id"], []).append(str(each["state"]))
        return states

    def clear(self, dag_id: str, run_id: str, *tasks: str | tuple[str, int], only_failed: bool = False) -> None:
        """Clear tasks (or single mapped instances) with their downstream, or all that failed on the run."""
        body = {"dag_run_id": run_id, "dry_run": False, "reset_dag_runs": True, "only_failed": only_failed}
        if not only_failed:
            body |= {"task_ids": [list(t) if isinstance(t, tuple) else t for t in tasks], "include_downstream": True}
        self.ask("POST", f"/dags/{dag_id}/clearTaskInstances", json=body)

    def account(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """The XCom of reconcile."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/reconcile/xcomEntries/return_value"
        return dict(self.ask("GET", path, params={"deserialize": "true"})["value"])

    def log(self, dag_id: str, run_id: str, task: str, *, map_index: int = -1, attempt: int = 1) -> str:
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task}/logs/{attempt}"
        lines = self.ask("GET", path, params={"map_index": map_index, "full_content": "true"})["content"]
        return "\n".join(text for line in lines for text in _texts(line))


def moment(text: str) -> datetime:
    """As Airflow's API writes one; before 3.11 Python does not read its Z."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _texts(line: dict[str, Any] | str) -> list[str]:
    """What a line of a log says, exceptions included."""
    if isinstance(line, str):
        return [line]
    errors = line.get("error_detail") or []
    return [str(line.get("event"))] + [f"{error.get('exc_type')}: {error.get('exc_value')}" for error in errors]
