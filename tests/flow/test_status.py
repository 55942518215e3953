"""`status`: how the ledger stands, told in one pass over it, and without a request to S3."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from airflow.sdk.exceptions import AirflowException

from s3_migration.ledger import walk
from s3_migration.ledger.connection import Ledger
from s3_migration.model.approval import Decision
from s3_migration.model.modes import Mode
from s3_migration.steps import hooks
from s3_migration.steps.deletion import may_delete
from tests.support.command_line import Run, declare_in, run_here
from tests.support.flow import Flow, lapse
from tests.support.product import Product

KEYS = ("image/1.png", "image/2.png", "image/3.png")


@pytest.fixture
def status(
    product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """The command, with the product's declaration."""
    product.seed(*KEYS)
    declare_in(tmp_path, product.declaration, monkeypatch)
    return partial(run_here, capsys, "status", "avatars")


def told(status: Run) -> dict[str, Any]:
    ended = status("--json")
    assert ended.code == 0
    document: dict[str, Any] = json.loads(ended.out)
    return document


def test_before_the_first_run(status: Run) -> None:
    left = ["nothing has been moved yet: trigger a run with mode=move and no limit"]
    assert told(status) == {
        "migration": "avatars",
        "deletion_stopped": None,
        "run_at_work": None,
        "last_run": None,
        "problems": {},
        "states": {},
        "waits_until": None,
        "finished": False,
        "left": left,
    }
    assert status().out == (
        "Deletion of migration avatars may go on: nobody has stopped it\n"
        "No run is at work.\n"
        "Objects: 0\n"
        f"What is left, by its ledger:\n  - {left[0]}\n"
    )


def test_a_run_at_work_and_its_step(status: Run, product: Product, flow: Flow) -> None:
    flow.begin()
    assert told(status)["run_at_work"]["steps"] == []
    assert f"Run {flow.run_id} (mode move) is at work: between two steps\n" in status().out

    def asked_meanwhile() -> None:
        product.sql("INSERT INTO s3_migration.timing SELECT max(run_no), 'copy', 1, now() FROM s3_migration.run")
        at_work = told(status)["run_at_work"]
        assert (at_work["run_id"], at_work["mode"]) == (flow.run_id, "move")
        ((step, tasks),) = [(each["step"], each["tasks"]) for each in at_work["steps"]]
        assert (step, tasks) == ("copy", 1)
        assert f"Run {flow.run_id} (mode move) is at work: copy (1 tasks, since " in status().out
        product.sql("DELETE FROM s3_migration.timing WHERE step = 'copy'")

    flow.work_off(flow.tasks(), before_copy=asked_meanwhile)
    assert told(status)["run_at_work"] is None


def test_a_lease_that_lapsed_is_no_run_at_work(status: Run, product: Product, flow: Flow) -> None:
    flow.begin()
    lapse(product)
    last = told(status)["last_run"]
    assert told(status)["run_at_work"] is None
    assert (last["run_id"], last["ended_at"]) == (flow.run_id, None)
    assert "has not come to its end\n" in status().out


def test_after_a_whole_move_it_is_finished_by_the_ledger(status: Run, flow: Flow) -> None:
    flow.run()
    document = told(status)
    assert (document["finished"], document["left"]) == (True, [])
    assert document["states"] == {"moved": {"objects": 3, "acknowledged": 0}}
    assert document["last_run"]["ended_at"] is not None
    out = status().out
    assert "Objects: 3\n  3 moved\n" in out
    assert (
        "By its ledger it is finished. Rows and legacy are asked by: python -m s3_migration retire avatars show" in out
    )


def test_a_canary_run_is_told_from_a_whole_one(status: Run, flow: Flow) -> None:
    flow.run(limit=1)
    assert told(status)["last_run"]["partial"] is True
    assert f"Last run: {flow.run_id} (mode move, a part of legacy), began " in status().out
    assert "took only a part of legacy" in status().out


def test_a_plan_is_the_last_run_but_does_not_unfinish(status: Run, flow: Flow) -> None:
    flow.run()
    flow.run(Mode.PLAN)
    document = told(status)
    assert (document["last_run"]["mode"], document["finished"]) == ("plan", True)


def test_problems_come_first_and_what_was_acknowledged_is_apart(status: Run, product: Product, flow: Flow) -> None:
    product.put("production", "avatar/1.png", b"another cat")
    product.put("production", "avatar/2.png", b"another dog")
    flow.attempt(acknowledge={"conflict": "known"})
    flow.attempt(acknowledge={"image/1.png": "known"})
    document = told(status)
    assert document["states"]["conflict"] == {"objects": 2, "acknowledged": 1}
    assert document["problems"] == {"conflict": 1}
    lines = status().out.splitlines()
    start = lines.index("Objects: 3")
    assert lines[start + 1].startswith("  1 conflict: production holds someone else's content")
    assert lines[start + 2 : start + 4] == ["  1 conflict, acknowledged", "  1 moved"]
    assert any("1 objects are conflict: fix or acknowledge them" in line for line in lines[start:])


def test_what_waits_and_until_when(status: Run, product: Product, flow: Flow) -> None:
    flow.declaration = flow.declaration.model_copy(update={"grace_period": flow.declaration.proof_max_age})
    flow.attempt()
    document = told(status)
    assert document["states"] == {"waiting": {"objects": 3, "acknowledged": 0}}
    ((until,),) = product.sql(
        "SELECT max(r.switched_at + r.grace_period)::text::timestamptz FROM s3_migration.run AS r"
    )
    ((same,),) = product.sql("SELECT %s::timestamptz = %s", document["waits_until"], until)
    assert same
    assert "\n  3 waiting: a move after 20" in status().out


@pytest.mark.declared(approve_deletion="every")
def test_a_person_that_is_waited_for(status: Run, flow: Flow) -> None:
    def seen(approved: bool | None, answered_by: str | None, *, waits: bool, said: str) -> None:
        last = told(status)["last_run"]
        assert (last["approved"], last["answered_by"], last["waits_for_a_person"]) == (approved, answered_by, waits)
        assert f"Run {flow.run_id} asked at {last['approval_asked_at'][:10]} " in status().out
        assert f" whether objects may be deleted: {said}" in status().out

    def answer(user: str, *, approved: bool) -> None:
        decision = Decision(approved, user, datetime.now(timezone.utc), user)
        with suppress(AirflowException):
            may_delete(flow.declaration, flow.run_id, decision=decision)

    def waiting() -> None:
        seen(None, None, waits=True, said="nobody has answered yet")
        assert told(status)["left"] == [
            f"run {flow.run_id} waits for a person: approve or reject (docs/runbook.md#approving-a-deletion)",
            "3 objects are copied: what is proven of them is deleted once that is approved",
        ]

    assert "asked at" not in status().out
    flow.attempt(before_delete=waiting)
    seen(None, None, waits=False, said="nobody answered\n")
    assert "trigger a run" in status().out
    answer("bob", approved=False)
    seen(False, "bob", waits=False, said="rejected by bob, 20")
    flow.work_off([("gate", 0)])
    seen(False, "bob", waits=True, said="nobody has answered yet")
    answer("ada", approved=True)
    seen(True, "ada", waits=False, said="approved by ada, 20")


def test_the_reason_of_a_stop_is_told(status: Run, run: Run) -> None:
    assert run("stop", "avatars", "--reason", "odd reads, Ada").code == 0
    assert told(status)["deletion_stopped"] == "odd reads, Ada"
    assert status().out.startswith("Deletion of migration avatars is stopped: odd reads, Ada\n")


def test_it_asks_no_store_and_passes_over_the_ledger_once_in_pieces(
    status: Run, flow: Flow, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow.run()
    told_at_once = told(status)
    monkeypatch.setattr(walk, "PIECE", 1)
    pieces = 1 + product.sql("SELECT count(*) FROM s3_migration.ledger")[0][0]
    assert pieces > 2  # an object each, and none
    asked: Counter[str] = Counter()
    execute = Ledger.execute

    def counted(ledger: Ledger, file: str, /, **values: Any) -> Any:
        asked[file] += 1
        return execute(ledger, file, **values)

    def refused(*_: Any, **__: Any) -> Any:
        raise AssertionError("status asks S3")

    monkeypatch.setattr(Ledger, "execute", counted)
    monkeypatch.setattr(hooks, "make_hooks", refused)
    assert told(status) == told_at_once
    assert asked == {
        "find_migration": 1,
        "find_lease_holder": 1,
        "find_piece_end": pieces,
        "count_all_states": pieces,
        "find_latest_run": 1,
        "find_last_run": 1,
    }


def test_a_ledger_that_is_locked_is_not_waited_for_for_ever(
    status: Run, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3_migration.commands.session.LOCK_TIMEOUT", "200ms")
    with psycopg.connect(product.database_uri) as other:
        other.execute("LOCK s3_migration.ledger")
        code, out, error = status()
    assert (code, out) == (2, "")
    assert "lock timeout. Fix: try again" in error
