"""The last lines of a failed task's log, as a worker writes it: after Airflow's own, short, with a link to click."""

from __future__ import annotations

import logging
import re
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.execution_time import task_runner

from s3_migration.model.states import PROBLEMS, STATES
from s3_migration.model.states import RUNBOOK as OF_STATES
from s3_migration.steps.completeness import Incomplete
from s3_migration.ui import gate
from s3_migration.ui import last_words as words
from s3_migration.ui.docs_pages import page
from tests.support import ROOT
from tests.support.gate_task import Supervisor, instance

RUNBOOK_PAGE = page((ROOT / "docs" / "runbook.md").read_text(encoding="utf-8"), [])
# As Airflow's UI makes a link of it: a bracket or a full stop behind it would belong to it.
LINK = re.compile(r"https?://[\w.-]+(?:\.?:[\w.-]+)*(?:[#/?][\w!#$%&'()*+,./:;=?@[\]~-]*)?")
CONFLICT = (
    "OPEN: what is proven will be deleted; 1 object stays: 1 conflict (migration avatars).\n"
    "  conflict: 'image/0003.png': production holds another object under this key, of 14 bytes, and ours has 12 bytes\n"
    "All others went on. Fix: remove the cause, then clear the first red task of the run with its downstream, or all "
    "that failed (docs/runbook.md#conflict)."
)


class Log:
    """What Airflow's runner says of a task, and what the task says itself, in the order of the log."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __getattr__(self, level: str) -> Callable[..., None]:
        return lambda event, *_, **__: self.lines.append(event)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[str]]]:
    """may_delete once, ending so; answers the lines of its log."""
    handler = signal.getsignal(signal.SIGTERM)  # the task runner sets its own
    log, ours = Log(), logging.getLogger("s3_migration")
    listener = logging.Handler(logging.INFO)
    monkeypatch.setattr(listener, "emit", lambda record: log.lines.append(record.getMessage()))
    monkeypatch.setattr(ours, "level", logging.INFO)
    ours.addHandler(listener)

    def ran(error: Exception, *, should_retry: bool = False) -> list[str]:
        def step(*_: Any, **__: Any) -> bool:
            raise error

        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor({}), raising=False)
        monkeypatch.setattr(gate, "may_delete", step)
        task = instance(max_tries=int(should_retry), should_retry=should_retry)
        context = task.get_template_context()
        state, _, found = task_runner.run(task, context, log)  # type: ignore[arg-type]
        context["exception"] = found  # type: ignore[typeddict-item]  # as its main does
        task_runner.finalize(task, state, context, log, found)  # type: ignore[arg-type]
        return log.lines

    yield ran
    ours.removeHandler(listener)
    signal.signal(signal.SIGTERM, handler)


def test_the_message_comes_last_in_short_lines_and_ends_with_a_link(
    run: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://airflow.example:8080/")
    lines = run(Incomplete(CONFLICT))
    assert "Task failed with exception" in lines[:-2], "which its traceback follows"
    # Airflow folds away what follows that: our lines stand outside.
    assert lines[-3:] == ["::endgroup::", lines[-2], "::endgroup::"]
    assert lines[-2].splitlines() == [
        "OPEN: what is proven will be deleted; 1 object stays: 1 conflict (migration avatars).",
        "  conflict: 'image/0003.png': production holds another object under this key, of 14 bytes, and ours has 12",
        "  bytes",
        "All others went on.",
        "Fix: remove the cause, then clear the first red task of the run with its downstream, or all that failed.",
        "Runbook: http://airflow.example:8080/s3-migration/docs/runbook?migration=avatars#conflict",
    ]
    assert LINK.findall(lines[-2]) == [
        "http://airflow.example:8080/s3-migration/docs/runbook?migration=avatars#conflict"
    ]


def test_a_try_that_airflow_repeats_says_so(run: Callable[..., list[str]]) -> None:
    lines = run(ConnectionError("reset by peer"), should_retry=True)
    assert lines[-2].startswith(
        "This try failed, and Airflow tries the task again by itself.\n"
        "Unexpected ConnectionError: reset by peer\nFix: see the traceback above; then clear this task.\n"
    )


def test_where_airflow_knows_no_address_of_its_own_the_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW__API__BASE_URL", raising=False)
    last = words.last_words("red", "wait_grace", "migrate_avatars").splitlines()[-1]
    assert last == "Runbook: docs/runbook.md#switch_paths-is-red-or-retries, in the UI under Docs"


def test_a_command_is_never_broken() -> None:
    said = words.last_words(
        f"{'x' * 80}. Fix: {'y ' * 40}python -m s3_migration resume avatars; then", "check", "migrate_avatars"
    )
    assert "python -m s3_migration resume avatars; then" in said.splitlines()[-2]


def test_each_place_in_the_runbook_is_there() -> None:
    dag = DagBag(str(ROOT / "dags")).dags["migrate_avatars"]
    assert set(words._RUNBOOK) == set(dag.task_ids)
    assert {name for name, state in STATES.items() if state.red_from} == set(OF_STATES) >= set(PROBLEMS)
    for anchor in [*(place.partition("#")[2] for place in words._RUNBOOK.values()), *OF_STATES.values()]:
        assert f'id="{anchor}"' in RUNBOOK_PAGE, anchor


def test_no_message_of_a_step_names_the_runbook_without_the_place() -> None:
    """Who reads it at night would have to search."""
    for path in (ROOT / "include/s3_migration/steps").rglob("*.py"):
        if path.name != "legacy_sample.py":  # of a plan, by day
            assert re.findall(r"docs/runbook\.md(?!#)", path.read_text(encoding="utf-8")) == [], path
