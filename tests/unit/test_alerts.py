"""Who is told what of a run: through Airflow's own callbacks, and over SMTP to a server of ours."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import signal
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import structlog
import yaml
from airflow.api_fastapi.execution_api.datamodels import taskinstance as server
from airflow.callbacks.callback_requests import DagCallbackRequest, DagRunContext
from airflow.dag_processing import processor
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import Asset, BaseNotifier
from airflow.sdk.api.datamodels import _generated as sdk
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import InactiveAssetsResult, SucceedTask, ValidateInletsAndOutlets
from airflow.serialization import encoders
from airflow.serialization.serialized_objects import DagSerialization

from s3_migration.model import declaration as declarations
from s3_migration.model.account import Account
from s3_migration.ui import alerts, last_words, sensors
from s3_migration.ui.schedule import NightlySchedule
from tests.support import ROOT
from tests.support.mail import Mail, Sink, mail_sink
from tests.support.product import declare

LEAST = (declarations.DIRECTORY / "avatars.yaml").read_text(encoding="utf-8")
TEAM = {"emails": ["ops@example.com", "ava@example.com"]}
RUN = "manual__2026-05-01T10:00:00+00:00"
RUN_URL = "http://airflow.example/dags/migrate_avatars/runs/manual__2026-05-01T10%3A00%3A00%2B00%3A00"
NOW = datetime(2026, 5, 1, tzinfo=timezone.utc)
DONE = Account("avatars", RUN, "move", staged=3, copied=3, deleted=3, states={"moved": 3})


class Heard(BaseNotifier):
    """Keeps what it is told, as rendered."""

    template_fields = ("text",)
    texts: list[str] = []  # noqa: RUF012  # that of all of them

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def notify(self, context: Any) -> None:
        self.texts.append(self.text)


class Broken(BaseNotifier):
    """Cannot tell."""

    def notify(self, context: Any) -> None:
        raise ConnectionError("the pager is down")


class OnlyAsync(BaseNotifier):
    """Nothing that a callback of a failed run could call."""

    async def async_notify(self, context: Any) -> None: ...


HEARD = {"notifier": f"{__name__}.Heard", "arguments": {"text": "{{ alert.event }} of {{ alert.run_id }}"}}
BROKEN = {"notifier": f"{__name__}.Broken"}


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://airflow.example")
    monkeypatch.setattr(Heard, "texts", [])
    with mail_sink() as running:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(running.connection()))
        yield running


Bag = Callable[..., DagBag]


@pytest.fixture
def bag(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bag:
    """The DAGs of avatars.yaml with these fields more."""

    def made(**fields: Any) -> DagBag:
        (tmp_path / "avatars.yaml").write_text(yaml.safe_dump(yaml.safe_load(LEAST) | fields), encoding="utf-8")
        monkeypatch.setattr(declarations, "DIRECTORY", tmp_path)
        return DagBag(str(ROOT / "dags"))

    return made


def migrate_avatars(loaded: DagBag) -> Any:
    assert loaded.import_errors == {}
    return loaded.dags["migrate_avatars"]


# -- a failed run -------------------------------------------------------------------------------------------------


def dag_run(model: Any, **fields: Any) -> Any:
    """A run as Airflow's server describes it."""
    known: dict[str, Any] = dict.fromkeys(
        name for name, each in model.DagRun.model_fields.items() if each.is_required()
    )
    known |= {"dag_id": "migrate_avatars", "run_id": RUN, "run_after": NOW, "run_type": "manual", "state": "failed"}
    return model.DagRun(**known | {"consumed_asset_events": []} | fields)


def fail(loaded: DagBag, *, with_task: bool = True, **run: Any) -> None:
    """What the DAG processor does once the scheduler finds a run failed."""
    last = server.TaskInstance(
        id=uuid4(), task_id="reconcile", dag_id="migrate_avatars", run_id=RUN, try_number=1, dag_version_id=uuid4()
    )
    request = DagCallbackRequest(
        filepath="migrations.py",
        bundle_name="dags-folder",
        bundle_version=None,
        dag_id="migrate_avatars",
        run_id=RUN,
        msg="task_failure",
        context_from_server=DagRunContext(dag_run=dag_run(server, **run), last_ti=last if with_task else None),
    )
    processor._execute_dag_callbacks(loaded, request, structlog.get_logger())


def test_a_failed_run_is_told_to_all_by_mail(sink: Sink, bag: Bag) -> None:
    fail(bag(alerts=TEAM), conf={"mode": "switch"})
    (mail,) = sink.mails
    assert (mail.sender, mail.to) == ("airflow@example.com", sorted(TEAM["emails"]))
    assert mail.subject == f"Migration avatars failed: run {RUN}"
    for part in (
        f"Run {RUN} of migration avatars, mode switch, failed (task_failure)",
        "first red task",
        "docs/runbook.md",
    ):
        assert part in mail.html
    assert f'<a href="{RUN_URL}">' in mail.html


@pytest.mark.parametrize(
    ("run", "mode"), [({}, "move"), ({"run_type": "scheduled"}, "plan"), ({"with_task": False}, "unknown")], ids=str
)
def test_the_mode_is_told_where_it_is_known(sink: Sink, bag: Bag, run: dict[str, Any], mode: str) -> None:
    fail(bag(alerts=TEAM), **run)
    assert f"mode {mode}, failed" in sink.mails[0].html


def test_mails_come_from_the_declared_sender_over_the_declared_connection(
    sink: Sink, bag: Bag, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OUR_MAIL", json.dumps(sink.connection()))
    monkeypatch.delenv("AIRFLOW_CONN_SMTP_DEFAULT")
    fail(bag(alerts={**TEAM, "smtp_conn_id": "our_mail", "from_email": "migration@example.com"}))
    assert [mail.sender for mail in sink.mails] == ["migration@example.com"]


def test_what_others_wrote_into_a_run_cannot_change_the_mail() -> None:
    alert = alerts._alert("failed", declare(), "manual__<b>", "<script>", "mode <script> failed")
    assert "<script>" not in alert.html
    assert "mode &lt;script&gt; failed" in alert.html


def test_other_notifiers_get_their_arguments_rendered_each_time(sink: Sink, bag: Bag) -> None:
    loaded = bag(alerts={"notifiers": [HEARD]})
    fail(loaded)
    fail(loaded)
    assert Heard.texts == [f"failed of {RUN}"] * 2
    assert sink.messages == []


def test_a_notifier_that_fails_is_logged_and_the_others_are_told(
    sink: Sink, bag: Bag, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps({**sink.connection(), "port": 1}))
    loaded = bag(alerts={**TEAM, "notifiers": [BROKEN, HEARD]})
    with caplog.at_level(logging.ERROR, "s3_migration.ui.alerts"):
        fail(loaded)
    assert Heard.texts == [f"failed of {RUN}"]
    logged = [record.getMessage() for record in caplog.records if record.name == "s3_migration.ui.alerts"]
    assert [message.partition(" did not tell: ")[0].rpartition(".")[2] for message in logged] == [
        "SmtpNotifier",
        "Broken",
    ]


# -- a finished migration -----------------------------------------------------------------------------------------


class Supervisor:
    """Takes a task's messages."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def send(self, msg: Any) -> Any:
        self.messages.append(msg)
        return InactiveAssetsResult(inactive_assets=[]) if isinstance(msg, ValidateInletsAndOutlets) else None


Reconciled = Callable[..., SucceedTask]


@pytest.fixture
def reconciled(monkeypatch: pytest.MonkeyPatch, bag: Bag) -> Iterator[Reconciled]:
    """The task reconcile as a worker runs it, with this account; answers what Airflow is told of its success."""
    handler = signal.getsignal(signal.SIGTERM)  # the task runner sets its own

    def run(account: Account, conf: dict[str, Any] | None = None, **fields: Any) -> SucceedTask:
        supervisor = Supervisor()
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
        monkeypatch.setattr(sensors, "reconcile", lambda *_, **__: account)
        instance = task_runner.RuntimeTaskInstance.model_construct(
            id=uuid4(),
            task_id="reconcile",
            dag_id="migrate_avatars",
            run_id=RUN,
            try_number=1,
            map_index=-1,
            start_date=NOW,
            task=migrate_avatars(bag(**fields)).get_task("reconcile"),
            _ti_context_from_server=sdk.TIRunContext.model_construct(dag_run=dag_run(sdk, conf=conf), max_tries=0),
        )
        context = instance.get_template_context()
        state, said, error = task_runner.run(instance, context, structlog.get_logger())
        assert isinstance(said, SucceedTask), error
        task_runner.finalize(instance, state, context, structlog.get_logger(), error)
        return said

    yield run
    signal.signal(signal.SIGTERM, handler)


def test_a_finished_migration_is_told_with_its_account(sink: Sink, reconciled: Reconciled) -> None:
    reconciled(DONE, alerts={**TEAM, "notifiers": [HEARD]})
    (mail,) = sink.mails
    assert mail.subject == f"Migration avatars finished: run {RUN}"
    assert "deleted        3" in mail.html
    assert RUN_URL in mail.html
    assert Heard.texts == [f"finished of {RUN}"]


@pytest.mark.parametrize(
    ("account", "conf"),
    [
        pytest.param(Account("avatars", RUN, "move", states={"moved": 3}), None, id="nothing to do"),
        pytest.param(Account("avatars", RUN, "move", deleted=1, states={"waiting": 1}), None, id="something left"),
        pytest.param(Account("avatars", RUN, "switch", copied=3, states={"copied": 3}), None, id="another mode"),
        pytest.param(DONE, {"limit": 3}, id="canary"),
    ],
)
def test_nothing_is_told_while_the_migration_is_not_finished_or_was_before(
    sink: Sink, reconciled: Reconciled, account: Account, conf: dict[str, Any] | None
) -> None:
    reconciled(account, conf, alerts=TEAM)
    assert sink.messages == []


def test_a_notifier_that_fails_leaves_the_task_green(sink: Sink, reconciled: Reconciled) -> None:
    assert reconciled(DONE, alerts={**TEAM, "notifiers": [BROKEN]}).state == "success"
    assert len(sink.messages) == 1


# -- a late run ---------------------------------------------------------------------------------------------------


def late(**run: Any) -> None:
    """What the triggerer does once the scheduler finds a deadline missed."""
    fields = {"dag_run_id": RUN, "run_type": "manual", "conf": {}, "state": "running", **run}
    asyncio.run(alerts.tell_late("avatars", context={"dag_run": fields, "deadline": {"id": "x", "deadline_time": NOW}}))


def test_a_late_run_is_told_to_everyone(sink: Sink, bag: Bag) -> None:
    bag(alerts={**TEAM, "notifiers": [BROKEN, HEARD], "late_after": "2h"})
    late(conf={"mode": "copy"})
    (mail,) = sink.mails
    assert mail.subject == f"Migration avatars is late: run {RUN}"
    assert "mode copy, is late: running, and not finished 2:00:00 after it was queued" in mail.html
    assert RUN_URL in mail.html
    assert Heard.texts == [f"late of {RUN}"]


def test_a_late_run_of_what_is_no_longer_declared_is_told_to_nobody(sink: Sink, bag: Bag, tmp_path: Path) -> None:
    bag(alerts={**TEAM, "late_after": "2h"})
    (tmp_path / "avatars.yaml").write_text("{")
    late()
    assert sink.messages == []


# -- the wiring ---------------------------------------------------------------------------------------------------


def test_whoever_is_declared_is_told(bag: Bag, monkeypatch: pytest.MonkeyPatch) -> None:
    # Airflow asks its plugins for the timetable, of which none is loaded here.
    monkeypatch.setattr(encoders, "find_registered_custom_timetable", lambda name: NightlySchedule)
    dag = migrate_avatars(bag(alerts={**TEAM, "late_after": "3h"}))
    assert dag.on_failure_callback.func is alerts.tell_failed
    (callback,) = dag.get_task("reconcile").on_success_callback
    assert callback.func is alerts.tell_finished
    (deadline,) = dag.deadline
    assert deadline.interval == timedelta(hours=3)
    assert (deadline.callback.path, deadline.callback.kwargs) == (
        "s3_migration.ui.alerts.tell_late",
        {"migration": "avatars"},
    )
    kept = json.dumps(DagSerialization.to_dict(dag), default=str)
    assert "s3_migration.ui.alerts.tell_late" in kept
    assert "example.com" not in kept, "who is told is nobody's business but the declaration's"


def test_nobody_is_told_by_default(bag: Bag) -> None:
    dag = migrate_avatars(bag())
    assert not dag.on_failure_callback
    assert not dag.deadline
    assert not any(task.on_success_callback for task in dag.tasks)
    for task in dag.tasks:  # which tells its own log, and nobody
        assert task.on_failure_callback in (last_words.tell_red, [last_words.tell_red])


def test_a_failed_run_is_told_without_a_deadline(bag: Bag) -> None:
    dag = migrate_avatars(bag(alerts=TEAM))
    assert dag.on_failure_callback
    assert not dag.deadline


@pytest.mark.parametrize("pool", ["s3_migration", None])
def test_the_bulk_tasks_and_no_others_are_in_the_pool(bag: Bag, pool: str | None) -> None:
    dag = migrate_avatars(bag(**({"pool": pool} if pool else {})))
    pools = {task.task_id: task.pool for task in dag.tasks}
    bulk = dict.fromkeys(("copy_chunk", "verify_chunk", "delete_chunk"), pool or "default_pool")
    assert pools == {**dict.fromkeys(pools, "default_pool"), **bulk}


@pytest.mark.parametrize(
    ("notifier", "field", "said"),
    [
        ({"notifier": "no.such.Notifier"}, "alerts.notifiers.1: 'no.such.Notifier'", "No module named 'no'"),
        ({"notifier": f"{__name__}.Deaf"}, f"alerts.notifiers.1: '{__name__}.Deaf'", "has no attribute 'Deaf'"),
        ({"notifier": "not a path"}, "alerts.notifiers.1: 'not a path'", "invalid format"),
        ({"notifier": "pathlib.Path"}, "alerts.notifiers.1: 'pathlib.Path'", "no subclass of BaseNotifier"),
        ({"notifier": "os.getcwd"}, "alerts.notifiers.1: 'os.getcwd'", "no subclass of BaseNotifier"),
        ({"notifier": f"{__name__}.OnlyAsync"}, "alerts.notifiers.1", "has no method notify"),
        ({**HEARD, "arguments": {"txt": "hunter2"}}, "alerts.notifiers.1.arguments: txt", "'txt'"),
        ({"notifier": f"{__name__}.Heard"}, "alerts.notifiers.1.arguments: none", "'text'"),
    ],
)
def test_a_notifier_that_cannot_be_made_is_an_import_error_of_its_declaration_alone(
    bag: Bag, tmp_path: Path, notifier: dict[str, Any], field: str, said: str
) -> None:
    (tmp_path / "covers.yaml").write_text(LEAST, encoding="utf-8")
    loaded = bag(alerts={"notifiers": [HEARD, notifier]})
    assert set(loaded.dags) == {"migrate_covers"}
    (message,) = loaded.import_errors.values()
    assert f"{tmp_path / 'avatars.yaml'}: {field}" in message
    assert said in message
    assert "Fix: " in message
    assert "hunter2" not in message


def test_the_example_of_the_docs_can_be_declared() -> None:
    (example,) = re.findall(r"```yaml\n(.+?)```", (ROOT / "docs" / "alerts.md").read_text("utf-8"), re.DOTALL)
    declared = declare(**yaml.safe_load(example))
    assert declared.pool == "s3_migration"
    assert [field for field, _ in alerts._everyone(declared.alerts)] == ["alerts.emails", "alerts.notifiers.0"]
    assert declared.alerts.late_after


# -- the asset ----------------------------------------------------------------------------------------------------


def test_other_dags_are_told_with_the_account(reconciled: Reconciled) -> None:
    said = reconciled(DONE)
    (outlet,) = said.task_outlets or []
    assert outlet.uri == "s3://production-s3/avatar"
    ((key, extra),) = [(event["dest_asset_key"], event["extra"]) for event in said.outlet_events or []]
    assert key == {"name": outlet.name, "uri": outlet.uri}
    assert json.loads(json.dumps(extra)) == DONE.as_dict()


def test_a_plan_changed_nothing_and_tells_no_other_dag(reconciled: Reconciled) -> None:
    said = reconciled(Account("avatars", RUN, "plan", staged=3))
    assert (said.task_outlets, said.outlet_events) == ([], [])


@pytest.mark.parametrize(
    "prefix", ["avatar/", "avatar", "a//", "ä?x=2&a=1#b %2F/", "\n\t", "?/" * 512, "\U0001f600" * 256]
)
def test_the_name_of_the_asset_is_its_uri_whatever_the_prefix(prefix: str) -> None:
    """Else Airflow takes the assets of two migrations into one place for rivals, and fails the task of one."""
    declared = declare()
    asset = alerts.production_asset(
        declared.model_copy(update={"production": declared.production.model_copy(update={"prefix": prefix})})
    )
    assert asset.name == asset.uri == Asset(asset.uri).uri
    assert asset.uri.startswith("s3://production-s3/")
    if prefix == "avatar/":
        assert asset == Asset("s3://production-s3/avatar")


def test_mails_of_the_sink_are_read_as_sent(sink: Sink) -> None:
    """The dots that SMTP doubles, and the address list, are what a reader sees: the other tests rely on it."""
    import smtplib

    with smtplib.SMTP("127.0.0.1", sink.port) as client:
        client.sendmail("a@x", ["b@x"], "From: a@x\nTo: b@x, c@x\nSubject: =?utf-8?q?=C3=A4?=\n\n.dot\n")
    assert sink.mails == [Mail("a@x", ["b@x", "c@x"], "ä", ".dot\r\n")]
