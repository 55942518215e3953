"""What comes back late loses nothing: runs that are cleared after others, frozen workers, lost sessions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import errors

from s3_migration.commands.stop_deletion import resume_all, stop_all
from s3_migration.ledger import session
from s3_migration.ledger.connection import Ledger
from s3_migration.model.modes import Mode
from s3_migration.steps import deletion
from s3_migration.steps.run import ConnectionLost, Run
from tests.support.connections import connect_s3
from tests.support.flow import Flow, Killed, expire, lapse, unserved
from tests.support.product import Product

KEYS = [f"image/{number}.png" for number in range(4)]
COPIES = [f"avatar/{number}.png" for number in range(4)]


def stopped_before_deletion(product: Product, flow: Flow) -> None:
    """A move that is red because somebody stopped deletion."""
    product.seed(*KEYS)
    flow.begin()
    stop_all(product.declaration, "audit, Ada")
    flow.work_off(flow.tasks())
    assert ("delete", 1) in flow.red
    assert len(product.objects("legacy")) == 4


def another(flow: Flow) -> Flow:
    return Flow(flow.declaration, flow.hooks)


@pytest.fixture
def nothing_named_is_deleted(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked to be deleted from legacy, no row names it."""
    original = deletion._ask_legacy

    def watched(run: Run, found: Any, until: float) -> Any:
        assert not {key for key, _ in found} & set(product.rows())
        return original(run, found, until)

    monkeypatch.setattr(deletion, "_ask_legacy", watched)


# -- rows 1 and 2: a proof covers what its run has owned since ---------------------------------------------------------


@pytest.mark.usefixtures("nothing_named_is_deleted")
@pytest.mark.parametrize("ended", [False, True], ids=["the undo died after its switch", "the undo ended"])
def test_a_move_that_is_cleared_after_an_undo_proves_anew(product: Product, flow: Flow, ended: bool) -> None:
    stopped_before_deletion(product, flow)
    undo = another(flow)
    undo.begin(Mode.UNDO)
    undo.switch()
    assert product.rows() == KEYS
    if ended:
        undo.work_off([("verify", 0), ("gate", 0), ("reconcile", 0)])
    lapse(product)
    resume_all(product.declaration)
    flow.clear_failed()
    assert unserved(product) == set()
    assert product.rows() == COPIES
    assert len(product.objects("legacy")) == 4, "their grace period began when the rows were switched again"
    another(flow).run()
    assert product.objects("legacy") == {}
    assert unserved(product) == set()


@pytest.mark.usefixtures("nothing_named_is_deleted")
def test_a_move_that_is_cleared_after_another_one_that_died_proves_anew(product: Product, flow: Flow) -> None:
    stopped_before_deletion(product, flow)
    product.put("legacy", KEYS[0], b"rewritten")
    product.sql("UPDATE avatars SET path = %s WHERE path = %s", KEYS[0], COPIES[0])
    second = another(flow)
    second.begin()
    second.copy()
    lapse(product)
    resume_all(product.declaration)
    flow.clear_failed()
    assert unserved(product) == set()
    assert KEYS[0] in product.objects("legacy"), "its grace period began when it was taken back"
    another(flow).run()
    assert (product.objects("legacy"), unserved(product)) == ({}, set())
    assert product.body("production", COPIES[0]) == b"rewritten"


# -- rows 3, 4 and 5: what is asked of the store expires, and is waited for --------------------------------------------


def end_sessions(product: Product) -> None:
    """PostgreSQL restarts."""
    product.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'migrator'")


def test_stop_deletion_answers_once_nothing_can_be_under_way_though_the_session_of_the_batch_is_lost(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.seed(*KEYS)
    original, answers = deletion._ask_legacy, []
    stopper = threading.Thread(target=lambda: answers.append(stop_all(product.declaration, "audit, Ada").text))

    def slow(run: Run, *asked: Any) -> Any:
        end_sessions(product)
        stopper.start()
        time.sleep(1)
        assert answers == []
        return original(run, *asked)

    monkeypatch.setattr(deletion, "DELETED_TOGETHER", 2)
    monkeypatch.setattr(deletion, "_ask_legacy", slow)
    flow.attempt()
    stopper.join()
    assert "Nothing is deleted from legacy any more" in answers[0]
    assert "stopped by hand" in str(flow.red["delete", 1]), "it connected again, and went on to the next batch"
    assert len(product.objects("legacy")) == 2
    assert product.sql("SELECT count(legacy_gone_at)::int FROM s3_migration.ledger") == [(2,)]
    assert product.sql("SELECT count(*)::int FROM s3_migration.deletion") == [(0,)]


def frozen(flow: Flow, asks: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """The run's worker stops (SIGSTOP) between intending a batch and sending it; what it then does when it goes on."""
    later: list[Callable[[], Any]] = []
    original = getattr(deletion, asks)

    def freeze(run: Run, found: Any, until: float) -> Any:
        # It wakes long after: the clock has gone on meanwhile.
        later.append(lambda: original(run, found, until - 90))
        raise Killed

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(deletion, asks, freeze)
        with pytest.raises(Killed):
            flow.delete()
    return later[0]


def waited(product: Product, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of a step that waits for deletions; after three of them their time is over."""
    pauses: list[float] = []
    real = time.sleep

    def pause(seconds: float) -> None:
        if seconds != 0.2:  # others sleep, too
            real(seconds)
            return
        pauses.append(seconds)
        if len(pauses) == 3:
            expire(product)

    monkeypatch.setattr(time, "sleep", pause)
    return pauses


def test_an_undo_waits_for_what_a_frozen_worker_intended_which_then_deletes_nothing(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.seed(*KEYS)
    flow.begin()
    flow.work_off(task for task in flow.tasks() if task[0] not in {"delete", "reconcile"})
    thaw = frozen(flow, "_ask_legacy", monkeypatch)
    lapse(product)
    with monkeypatch.context() as meanwhile:
        pauses = waited(product, meanwhile)
        another(flow).run(Mode.UNDO)
        assert len(pauses) == 3
    assert product.rows() == KEYS
    answers, under_way = thaw()
    assert {answer.error_code for answer in answers} == {"RequestExpired"}
    assert not under_way
    assert len(product.objects("legacy")) == 4
    assert unserved(product) == set()


def test_a_move_waits_for_what_a_frozen_undo_intended(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_s3(monkeypatch, product.endpoint_url, "admin")  # the shipped policy of a move lets it remove no copy
    product.seed(*KEYS)
    flow.run(Mode.COPY)
    undo = another(flow)
    undo.begin(Mode.UNDO, remove_copies=True)
    undo.work_off(task for task in undo.tasks() if task[0] not in {"copy", "delete", "reconcile"})
    thaw = frozen(undo, "_ask_production", monkeypatch)
    lapse(product)
    with monkeypatch.context() as meanwhile:
        pauses = waited(product, meanwhile)
        another(flow).run()
        assert len(pauses) == 3
    thaw()
    assert unserved(product) == set()
    assert set(product.objects("production")) == set(COPIES)


def test_each_chunk_waits_for_its_own_dead_try_and_not_for_its_siblings(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow.declaration = flow.declaration.model_copy(update={"chunk_size": 2})
    product.seed(*KEYS)
    flow.begin()
    flow.work_off(task for task in flow.tasks() if task[0] not in {"delete", "reconcile"})
    frozen(flow, "_ask_legacy", monkeypatch)
    pauses = waited(product, monkeypatch)
    flow.delete_chunk(2)
    assert pauses == []
    flow.delete_chunk(1)
    assert len(pauses) == 3
    assert product.objects("legacy") == {}


def test_a_row_whose_copy_we_knew_and_that_names_nothing_is_red_until_it_is_fixed(product: Product, flow: Flow) -> None:
    product.seed(*KEYS)
    flow.run(Mode.COPY)
    product.remove("legacy", KEYS[0])
    product.remove("production", COPIES[0])
    for _ in range(2):
        flow.attempt()
        assert ("switch", 0) in flow.red
        assert product.problems()[KEYS[0]] == "damaged"
        assert KEYS[0] in product.rows()
    product.put("legacy", KEYS[0], f"body of {KEYS[0]}".encode())
    flow.run()
    assert unserved(product) == set()


# -- rows 8 and 10: what is red stays red ------------------------------------------------------------------------------


def test_a_conflict_stays_one_when_its_legacy_object_goes(product: Product, flow: Flow) -> None:
    product.seed(*KEYS)
    product.put("production", COPIES[0], b"of another")
    flow.attempt()
    product.remove("legacy", KEYS[0])
    for _ in range(2):
        flow.attempt()
        assert ("switch", 0) in flow.red
        assert product.problems()[KEYS[0]] == "conflict"
        assert KEYS[0] in product.rows(), "it is not pointed at another's content"
    product.sql("DELETE FROM avatars WHERE path = %s", KEYS[0])
    flow.run()
    assert product.problems()[KEYS[0]] == "withdrawn"


@pytest.mark.parametrize("fix", ["the copy is put back", "acknowledged"])
def test_a_copy_that_is_gone_after_the_deletion_is_red_until_it_is_fixed(
    product: Product, flow: Flow, fix: str
) -> None:
    product.seed(*KEYS)
    flow.attempt(before_reconcile=lambda: product.remove("production", COPIES[0]))
    for _ in range(2):
        assert flow.red
        assert product.problems()[KEYS[0]] == "damaged"
        flow.attempt()
    if fix == "acknowledged":
        flow.run(acknowledge={KEYS[0]: "known, Ada"})
    else:
        product.put("production", COPIES[0], f"body of {KEYS[0]}".encode())
    flow.run()


# -- rows 6 and 11: sessions -------------------------------------------------------------------------------------------


def test_a_session_that_is_left_in_a_transaction_gives_its_rows_back(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker died between UPDATE and COMMIT without a word, or is frozen there."""
    product.row("image/1.png")
    monkeypatch.setattr(session, "SETTINGS", {**session.SETTINGS, "idle_in_transaction_session_timeout": "500ms"})
    ledger = Ledger.connect(product.declaration)
    with pytest.raises(errors.IdleInTransactionSessionTimeout), ledger.batch():  # noqa: PT012
        ledger.connection.execute("UPDATE avatars SET path = 'avatar/1.png'")
        product.sql("SET lock_timeout = '30s'")
        product.sql("UPDATE avatars SET path = 'image/by-the-application.png'")
        ledger.connection.execute("SELECT 1")
    assert product.rows() == ["image/by-the-application.png"]


def test_what_a_role_is_set_to_decides_nothing(product: Product) -> None:
    with psycopg.connect(product.database_uri, autocommit=True) as admin:
        admin.execute("ALTER ROLE migrator SET statement_timeout = '100ms'")
        admin.execute("ALTER ROLE migrator SET idle_in_transaction_session_timeout = 0")
        try:
            ledger = Ledger.connect(product.declaration)
            for name, setting in session.SETTINGS.items():
                row = ledger.connection.execute("SELECT current_setting(%s, true) AS is", [name]).fetchone()
                # An older server does not know them all; over a socket of the machine TCP has no say.
                assert row is not None
                assert row["is"] in {setting, None} or name.startswith("tcp_"), name
            ledger.close()
        finally:
            admin.execute("ALTER ROLE migrator RESET ALL")


@pytest.mark.parametrize(
    "setting",
    [
        *(
            "IntervalStyle = iso_8601",
            "IntervalStyle = sql_standard",
            "DateStyle = 'German'",
            "client_encoding = LATIN1",
        ),
        *("statement_timeout = '50ms'", "transaction_timeout = '50ms'", "row_security = on"),
    ],
)
def test_a_run_is_the_same_whatever_its_role_is_set_to(product: Product, flow: Flow, setting: str) -> None:
    product.seed(*KEYS, "image/ü€.png")
    with psycopg.connect(product.database_uri, autocommit=True) as admin:
        try:
            admin.execute(f"ALTER ROLE migrator SET {setting}")  # type: ignore[call-overload]
        except errors.UndefinedObject:
            pytest.skip("an older server does not know it")
        try:
            assert flow.run().states == {"moved": len(KEYS) + 1}
        finally:
            admin.execute("ALTER ROLE migrator RESET ALL")


@pytest.mark.parametrize("step", ["switch", "verify", "gate", "delete", "reconcile"])
def test_rows_that_are_hidden_during_a_run_are_not_taken_for_none(product: Product, flow: Flow, step: str) -> None:
    product.seed(*KEYS)
    flow.attempt(**{f"before_{step}": lambda: product.sql("ALTER TABLE avatars ENABLE ROW LEVEL SECURITY")})  # type: ignore[arg-type]
    assert flow.red
    said = str(next(iter(flow.red.values())))
    assert "row-level security" in said
    assert "Fix: " in said
    served = set(product.rows())
    assert served <= product.objects("legacy").keys() | product.objects("production").keys()
    product.sql("ALTER TABLE avatars DISABLE ROW LEVEL SECURITY")
    flow.clear_failed()
    assert flow.red == {}
    assert product.objects("legacy") == {}


@pytest.mark.parametrize("step", ["copy", "switch", "verify"])
def test_a_step_says_that_it_lost_the_database_and_the_next_try_goes_on(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    product.seed(*KEYS)
    flow.begin()
    before = {"copy": [], "switch": ["copy"], "verify": ["copy", "switch"]}[step]
    for earlier in before:
        getattr(flow, earlier)()
    original = Run.count_ranges

    def lose_the_session_first(run: Run) -> Any:
        end_sessions(product)
        return original(run)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Run, "count_ranges", lose_the_session_first)
        with pytest.raises(ConnectionLost, match=f"lost during {step}.*administrator command.*Fix: see that"):
            getattr(flow, step)()
    flow.work_off(flow.tasks())
    assert flow.red == {}
    assert product.objects("legacy") == {}
