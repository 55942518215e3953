"""may_delete as a worker runs it: what it asks of Airflow, and what it takes from Airflow's answer."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import AwaitInputTask, CreateHITLDetailPayload

from s3_migration.model import declaration as declarations
from s3_migration.model.approval import Decision, Question
from s3_migration.steps.gate_errors import ApprovalWanted, GateClosed
from s3_migration.ui import gate
from tests.support.gate_task import NOW, RUN, Supervisor, instance
from tests.support.mail import mail_sink

LEAST = yaml.safe_load((declarations.DIRECTORY / "avatars.yaml").read_text(encoding="utf-8"))
ADA = {"id": "7", "name": "ada"}
ANSWERED = {"params_input": {}, "responded_at": NOW, "timedout": False}


Ran = tuple[Any, Any, BaseException | None, list[Any]]
Run = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    """The task once, with what the step does and the fields that are declared; answers its end, and its messages."""
    handler = signal.getsignal(signal.SIGTERM)  # the task runner sets its own
    monkeypatch.setattr(declarations, "DIRECTORY", tmp_path)

    def ran(step: Callable[..., bool], event: Any = None, shown: dict[str, Any] | None = None, **fields: Any) -> Ran:
        (tmp_path / "avatars.yaml").write_text(yaml.safe_dump(LEAST | fields), encoding="utf-8")
        supervisor = Supervisor(shown or {})
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
        monkeypatch.setattr(gate, "may_delete", step)
        resumed = {"next_method": "execute", "next_kwargs": {"event": event}} if event else {}
        task = instance(**resumed)
        state, said, error = task_runner.run(task, task.get_template_context(), structlog.get_logger())
        return state, said, error, supervisor.messages

    yield ran
    signal.signal(signal.SIGTERM, handler)


def wants(*_: Any, **__: Any) -> bool:
    raise ApprovalWanted(Question("delete 4?", "- **4 objects**, a <b>.png"))


def test_it_asks_and_waits_without_a_worker(run: Run) -> None:
    fields = {"approve_deletion": "every", "approvers": ["ada", "bob"], "approval_timeout": "2h"}
    state, said, _, messages = run(wants, **fields)
    assert state == "awaiting_input"
    assert isinstance(said, AwaitInputTask)
    assert (said.next_method, said.timeout) == ("execute", timedelta(hours=2))
    (asked,) = [message for message in messages if isinstance(message, CreateHITLDetailPayload)]
    assert (asked.subject, asked.options, asked.multiple) == ("delete 4?", ["Approve", "Reject"], False)
    assert asked.body == "- **4 objects**, a <b>.png"
    assert asked.defaults is None, "no answer is none"
    assert asked.params == {}, "Airflow's server refuses an absent one"
    assert [user.id for user in asked.assigned_users or []] == ["ada", "bob"]


@pytest.mark.parametrize(
    "shown",
    [{"subject": "delete 3?"}, {"body": "3 objects"}, {"assigned_users": [{"id": "eve", "name": "eve"}]}],
    ids=str,
)
def test_nobody_answers_what_was_true_before(run: Run, shown: dict[str, Any]) -> None:
    """Airflow shows the first question of a task again, whenever it is cleared."""
    state, _, error, _ = run(wants, shown=shown, approve_deletion="every")
    assert state == "failed"
    assert isinstance(error, GateClosed)
    assert "Fix: trigger a new run: it takes over what is left" in str(error)


def test_whoever_may_act_on_the_dag_is_asked_where_nobody_is_named(run: Run) -> None:
    *_, messages = run(wants, approve_deletion="first")
    (asked,) = [message for message in messages if isinstance(message, CreateHITLDetailPayload)]
    assert not asked.assigned_users


@pytest.mark.parametrize(
    ("event", "decision"),
    [
        ({**ANSWERED, "chosen_options": ["Approve"], "responded_by_user": ADA}, Decision(True, "ada (7)", NOW, "7")),
        (
            {**ANSWERED, "chosen_options": ["Reject"], "responded_by_user": {"id": "bob", "name": "bob"}},
            Decision(False, "bob", NOW, "bob"),
        ),
        ({**ANSWERED, "chosen_options": [], "responded_by_user": ADA}, Decision(False, "ada (7)", NOW, "7")),
        ({"error": "The response timeout has passed", "error_type": "timeout"}, Decision(None)),
        (None, None),
    ],
)
def test_what_was_answered_comes_to_the_step(run: Run, event: Any, decision: Decision | None) -> None:
    given: list[Any] = []

    def step(*_: Any, **known: Any) -> bool:
        given.append(known["decision"])
        return True

    state, *_ = run(step, event, approve_deletion="every")
    assert (state, given) == ("success", [decision])


def test_a_closed_gate_is_red_and_a_mode_that_deletes_nothing_is_skipped(run: Run) -> None:
    def closed(*_: Any, **__: Any) -> bool:
        raise GateClosed("bob rejected it")

    assert run(closed)[0] == "failed"
    assert run(lambda *_, **__: False)[0] == "skipped"


def test_people_are_told_that_an_answer_is_wanted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://airflow.example")
    with mail_sink() as sink:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(sink.connection()))
        run(wants, approve_deletion="every", alerts={"emails": ["ops@example.com"]})
        (mail,) = sink.mails
    assert mail.subject == f"Migration avatars asks for an approval: run {RUN}"
    assert "for at most 1d; then it ends red. Other runs of the DAG are queued until then." in mail.html
    assert "a &lt;b&gt;.png" in mail.html
    page = "runs/manual__2026-05-01T10%3A00%3A00%2B00%3A00/tasks/may_delete/required_actions"
    assert f'<a href="http://airflow.example/dags/migrate_avatars/{page}">' in mail.html
