"""What stops all deletion of a migration, for the person on call."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from devstack.postgres import Postgres
from s3_migration.commands import session, stop_deletion
from s3_migration.model.modes import Mode
from s3_migration.steps import deletion
from s3_migration.steps.deletion import GateClosed
from tests.support import ROOT
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


def said(capsys: pytest.CaptureFixture[str], command: str, *options: str) -> str:
    """What the command answers for the shipped declaration of the same name."""
    stop_deletion.main([command, "avatars", *options])
    return capsys.readouterr().out


def refused(*arguments: str) -> str:
    with pytest.raises(SystemExit) as exit_:
        stop_deletion.main(arguments)
    assert exit_.value.code not in (0, None)
    return str(exit_.value.code)


def test_it_is_set_shown_and_let_go(product: Product, capsys: pytest.CaptureFixture[str]) -> None:
    assert "may go on: nobody has stopped it" in said(capsys, "status")
    answer = said(capsys, "stop", "--reason", " odd reads, Ada ")
    assert answer == (
        "Deletion of migration avatars is stopped: odd reads, Ada\n"
        "Nothing is deleted from legacy any more, until: python -m s3_migration resume avatars\n"
    )
    assert stopped(product) == "odd reads, Ada"
    assert said(capsys, "status") == "Deletion of migration avatars is stopped: odd reads, Ada\n"
    assert "It had been stopped before: odd reads, Ada" in said(capsys, "stop", "--reason", "still, Bob")
    assert "It had been stopped: still, Bob" in said(capsys, "resume")
    assert stopped(product) is None
    assert said(capsys, "resume") == "Deletion of migration avatars was not stopped.\n"


def test_it_stops_between_two_batches_and_answers_once_nothing_is_deleted_any_more(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.seed(*KEYS)
    original, answers = deletion._ask_legacy, []
    puller = threading.Thread(target=lambda: answers.append(stop_deletion.stop(product.declaration, "audit, Ada")))

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

    stop_deletion.resume(product.declaration)
    assert flow.clear_failed().deleted == 4
    assert flow.red == {}
    assert product.objects("legacy") == {}


def test_all_other_steps_go_on(product: Product, flow: Flow) -> None:
    product.seed(*KEYS)
    stop_deletion.stop(product.declaration, "audit, Ada")
    account = flow.attempt()
    assert (account.copied, account.rows_switched, account.deleted) == (4, 4, 0)
    assert set(flow.red) == {("gate", 0), ("delete", 1), ("reconcile", 0)}
    assert flow.run(Mode.SWITCH).states == {"copied": 4}


def test_a_batch_that_does_not_end_is_not_waited_for_for_ever(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LOCK_TIMEOUT", "200ms")
    with psycopg.connect(product.database_uri) as other:
        other.execute("SELECT 1 FROM s3_migration.migration FOR KEY SHARE")  # as fence.sql
        answer = stop_deletion.stop(product.declaration, "audit, Ada")
    assert "one is being written down since 200ms and more. Fix: see whether a run is at work" in answer
    assert stopped(product) == "audit, Ada"


def test_a_lock_on_the_row_is_named(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LOCK_TIMEOUT", "200ms")
    with psycopg.connect(product.database_uri) as other:
        other.execute("SELECT 1 FROM s3_migration.migration FOR UPDATE")
        assert "lock timeout. Fix: try again" in refused("stop", "avatars", "--reason", "audit, Ada")


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
    product: Product, breaks: str, named: str, action: tuple[str, ...]
) -> None:
    product.sql(breaks)
    message = refused(action[0], "avatars", *action[1:])
    assert message.startswith("Migration avatars: ")
    assert named in message
    assert "python -m s3_migration setup avatars --sql" in message


def test_no_way_to_the_database_is_named(product: Product, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_database(monkeypatch, postgres.port, product.database.info.dbname, password="wrong")
    assert "no connection to the database" in refused("status", "avatars")
    monkeypatch.delenv("AIRFLOW_CONN_PRODDATABASE")
    assert "Airflow has no connection 'proddatabase'" in refused("status", "avatars")


@pytest.mark.parametrize("reason", [[], ["--reason"], ["--reason", " "]], ids=str)
def test_a_stop_without_a_reason_is_refused(product: Product, reason: list[str]) -> None:
    assert refused("stop", "avatars", *reason) == "2"
    assert stopped(product) is None


def test_an_unknown_migration_is_named() -> None:
    assert "there is no nobody.yaml. Fix: name one of avatars" in refused("status", "nobody")


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
