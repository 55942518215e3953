"""What stops all deletion of a migration, for the person on call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from devstack.ports import free_port
from devstack.postgres import Postgres
from s3_migration.commands import session, stop_deletion
from s3_migration.commands.stop_deletion import resume_all, stop_all
from s3_migration.model.modes import Mode
from s3_migration.steps import deletion
from s3_migration.steps.deletion import GateClosed
from tests.support import ROOT
from tests.support.command_line import Run, run_apart
from tests.support.connections import connect_database
from tests.support.flow import Flow
from tests.support.product import Product

KEYS = tuple(f"image/{number}.png" for number in range(4))


@pytest.fixture(autouse=True)
def _one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "DELETED_TOGETHER", 1)


def stopped(product: Product) -> str | None:
    ((reason,),) = product.sql("SELECT deletion_stopped FROM s3_migration.migration WHERE name = 'avatars'")
    return None if reason is None else str(reason)


def said(run: Run, command: str, *options: str) -> str:
    """What the command answers for the shipped declaration of the same name."""
    ended = run(command, "avatars", *options)
    assert (ended.code, ended.error) == (0, "")
    return ended.out


def refused(run: Run, *arguments: str) -> str:
    ended = run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    return ended.error


def test_it_is_set_shown_and_let_go(product: Product, run: Run) -> None:
    assert "may go on: nobody has stopped it" in said(run, "status")
    answer = said(run, "stop", "--reason", " odd reads, Ada ")
    assert answer == (
        "Deletion of migration avatars is stopped: odd reads, Ada\n"
        "Nothing is deleted from legacy any more, until: python -m s3_migration resume avatars\n"
    )
    assert stopped(product) == "odd reads, Ada"
    assert said(run, "status").startswith("Deletion of migration avatars is stopped: odd reads, Ada\n")
    assert "It had been stopped before: odd reads, Ada" in said(run, "stop", "--reason", "still, Bob")
    assert "It had been stopped: still, Bob" in said(run, "resume")
    assert stopped(product) is None
    assert said(run, "resume") == "Deletion of migration avatars was not stopped.\n"


def test_it_is_told_to_a_program(product: Product, run: Run) -> None:
    told = {"migration": "avatars", "deletion_stopped": "odd reads, Ada", "stopped_before": None}
    stop = json.loads(said(run, "stop", "--reason", "odd reads, Ada", "--json"))
    assert stop == {**told, "nothing_on_its_way": True, "run_at_work": None}
    resume = json.loads(said(run, "resume", "--json"))
    assert resume == {**told, "deletion_stopped": None, "stopped_before": "odd reads, Ada"}


def test_it_works_while_the_stores_are_down(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    for side in ("LEGACY", "PRODUCTION"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{side}_S3", "aws://me:secret@/?endpoint_url=http%3A%2F%2F127.0.0.1%3A1")
    ended = run_apart("stop", "avatars", "--reason", "odd reads, Ada")
    assert (ended.code, stopped(product)) == (0, "odd reads, Ada"), ended.error
    assert run_apart("status", "avatars").code == 0


def test_it_stops_between_two_batches_and_answers_once_nothing_is_deleted_any_more(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.seed(*KEYS)
    original, answers = deletion._ask_legacy, []
    puller = threading.Thread(target=lambda: answers.append(stop_all(product.declaration, "audit, Ada").text))

    def pulled_meanwhile(run: Any, *asked: Any) -> Any:
        puller.start()
        while stopped(product) is None:
            time.sleep(0.01)
        time.sleep(0.3)
        assert answers == [], "this batch is on its way still"
        return original(run, *asked)

    def answered_first(*asked: Any) -> Any:
        found = batch(*asked)
        puller.join()
        return found

    batch = deletion._delete_batch
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(deletion, "_delete_batch", answered_first)
        meanwhile.setattr(deletion, "_ask_legacy", pulled_meanwhile)
        flow.attempt()
        puller.join()
    (answer,) = answers
    assert "Nothing is deleted from legacy any more, until: python -m s3_migration resume avatars" in answer
    assert f"Run {flow.run_id} (mode move) is at work." in answer
    assert isinstance(flow.red["delete", 1], GateClosed)
    assert "audit, Ada. Fix: python -m s3_migration resume avatars" in str(flow.red["delete", 1])
    assert len(product.objects("legacy")) == 3
    flow.clear_failed()
    assert len(product.objects("legacy")) == 3, "a later try is stopped as well"

    resume_all(product.declaration)
    assert flow.clear_failed().deleted == 4
    assert flow.red == {}
    assert product.objects("legacy") == {}


def test_all_other_steps_go_on(product: Product, flow: Flow) -> None:
    product.seed(*KEYS)
    stop_all(product.declaration, "audit, Ada")
    account = flow.attempt()
    assert (account.copied, account.rows_switched, account.deleted) == (4, 4, 0)
    assert set(flow.red) == {("gate", 0), ("delete", 1), ("reconcile", 0)}
    assert flow.run(Mode.SWITCH).states == {"copied": 4}


def test_who_stopped_it_is_said_once_and_not_of_each_object(product: Product, flow: Flow) -> None:
    product.seed(*KEYS)
    stop_all(product.declaration, "audit, Ada")
    flow.attempt()
    for task in (("gate", 0), ("delete", 1)):
        assert str(flow.red[task]).startswith("CLOSED: nothing ")
    assert str(flow.red["reconcile", 0]) == (
        "Migration avatars: incomplete after reconcile: 4 copied.\n"
        "  copied: 4 of them are still in legacy. CLOSED: nothing more is deleted: migration avatars: deletion was "
        "stopped by hand: audit, Ada. Fix: python -m s3_migration resume avatars; then clear this task "
        "(docs/runbook.md#stop-all-deletion-now)."
    )


def test_where_nothing_is_to_be_deleted_it_turns_nothing_red(
    product: Product, flow: Flow, caplog: pytest.LogCaptureFixture
) -> None:
    product.seed(*KEYS)
    flow.run()
    stop_all(product.declaration, "audit, Ada")
    with caplog.at_level("INFO"):
        flow.run()
    assert (
        "CLOSED: nothing is deleted: it was stopped by hand (audit, Ada), and nothing is to be deleted" in caplog.text
    )
    # A problem is red all the same, and the gate says that it is closed.
    product.seed("image/9.png")
    product.put("production", "avatar/9.png", b"another cat")
    assert flow.attempt().states == {"conflict": 1}
    assert str(flow.red["gate", 0]).startswith(
        "CLOSED: nothing is deleted: it was stopped by hand (audit, Ada), and nothing is to be deleted; "
        "1 object stays: 1 conflict (migration avatars).\n"
    )


def test_a_batch_that_does_not_end_is_not_waited_for_for_ever(
    product: Product, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LOCK_TIMEOUT", "200ms")
    with psycopg.connect(product.database_uri) as other:
        other.execute("SELECT 1 FROM s3_migration.migration FOR KEY SHARE")  # as fence.sql
        code, out, _ = run("stop", "avatars", "--reason", "audit, Ada")
        told = json.loads(run("stop", "avatars", "--reason", "audit, Ada", "--json").out)
    assert "one is being written down since 200ms and more. Fix: see whether a run is at work" in out
    assert (code, told["nothing_on_its_way"]) == (1, False)
    assert stopped(product) == "audit, Ada"


@pytest.mark.parametrize("fails", ["lock_migration", "wait_for_deletions", "find_run_at_work"])
def test_once_it_is_stopped_every_error_says_so(
    product: Product, run: Run, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    def lost(*_: object) -> None:
        raise psycopg.OperationalError("the server closed the connection")

    monkeypatch.setattr(stop_deletion, fails, lost)
    said = refused(run, "stop", "avatars", "--reason", "audit, Ada")
    assert "it is stopped: no further batch begins. But nobody saw the last batch end: the server closed the" in said
    assert "Fix: stop again" in said
    assert stopped(product) == "audit, Ada"


def test_a_lock_on_the_row_is_named(product: Product, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LOCK_TIMEOUT", "200ms")
    with psycopg.connect(product.database_uri) as other:
        other.execute("SELECT 1 FROM s3_migration.migration FOR UPDATE")
        assert "lock timeout. Fix: try again" in refused(run, "stop", "avatars", "--reason", "audit, Ada")


@pytest.mark.parametrize(
    ("breaks", "named"),
    [
        ("DELETE FROM s3_migration.migration", "the ledger does not know migration 'avatars'"),
        ("DROP SCHEMA s3_migration CASCADE", "is not set up"),
        ("REVOKE UPDATE (deletion_stopped) ON s3_migration.migration FROM migrator", "may not: permission denied"),
        ("REVOKE USAGE ON SCHEMA s3_migration FROM migrator", "may not: permission denied"),
    ],
)
@pytest.mark.parametrize("action", [("stop", "--reason", "x"), ("resume",)], ids=["stop", "resume"])
def test_what_is_not_set_up_is_named_with_its_fix(
    product: Product, run: Run, breaks: str, named: str, action: tuple[str, ...]
) -> None:
    product.sql(breaks)
    message = refused(run, action[0], "avatars", *action[1:])
    assert message.startswith("Error: Migration avatars: ")
    assert named in message
    assert "python -m s3_migration setup avatars --sql" in message


@pytest.mark.parametrize("command", ["status", "resume"])
def test_no_way_to_the_database_is_named(
    product: Product, run: Run, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    connect_database(monkeypatch, postgres.port, product.database.info.dbname, password="wrong")
    assert "no connection to the database" in refused(run, command, "avatars")
    connect_database(monkeypatch, free_port(), product.database.info.dbname)
    assert "no connection to the database" in refused(run, command, "avatars", "--json")
    monkeypatch.delenv("AIRFLOW_CONN_PRODDATABASE")
    said = refused(run, command, "avatars")
    assert (
        "Airflow has no connection 'proddatabase'. Fix: run the command where Airflow is configured; or correct" in said
    )


@pytest.mark.parametrize("reason", [[], ["--reason"], ["--reason", " "]], ids=str)
def test_a_stop_without_a_reason_is_refused(product: Product, run: Run, reason: list[str]) -> None:
    said = refused(run, "stop", "avatars", *reason)
    assert "--reason" in said
    assert "--help" in said
    assert stopped(product) is None


MAKE = """
from airflow.models import Connection, import_all_models
from airflow.models.base import Base
from airflow.settings import Session, engine
import_all_models()
Base.metadata.create_all(engine)
Session.add(Connection(conn_id="proddatabase", uri=__import__("sys").argv[1]))
Session.commit()
"""


def test_a_connection_that_was_made_in_the_ui_is_found(product: Product, tmp_path: Path) -> None:
    """It lies in Airflow's database, where a process that is no task looks only if it is told to."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_CONN_")}
    environment |= {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/a.db"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )

    made = run("-c", MAKE, product.database_uri)
    assert made.returncode == 0, made.stderr
    done = run("-m", "s3_migration", "stop", "avatars", "--reason", "odd reads, Ada")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Deletion of migration avatars is stopped: odd reads, Ada\n")
    assert stopped(product) == "odd reads, Ada"
