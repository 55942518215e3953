"""One run at a time: the lease of a migration, and the fence that keeps a former holder from writing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone, tzinfo
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.api_fastapi.execution_api.routes.task_instances import _is_eligible_to_retry
from airflow.sdk.exceptions import AirflowException, TaskDeferred
from psycopg import OperationalError, sql
from psycopg.errors import AdminShutdown

from s3_migration.ledger import lease as leases
from s3_migration.ledger import staging
from s3_migration.ledger.connection import Ledger, RunLedger
from s3_migration.ledger.deletion import deletions_left
from s3_migration.ledger.lease import Lease, LeaseHeld
from s3_migration.ledger.run import database_time, find_migration, open_run
from s3_migration.model.modes import Mode
from s3_migration.model.objects import S3Object
from s3_migration.model.run_request import Request
from s3_migration.steps import check, copying, deletion
from s3_migration.steps.completeness import Incomplete
from s3_migration.steps.run import ConnectionLost, Run, working
from s3_migration.steps.stopping import Stopped
from s3_migration.ui import sensors
from tests.support.flow import Flow, expire, lapse
from tests.support.product import Product

Open = Callable[[str], RunLedger]


@pytest.fixture
def opened(product: Product) -> Iterator[Open]:
    """A ledger for a run of this name."""
    ledgers = []

    def of_run(run_id: str) -> RunLedger:
        ledger = Ledger.connect(product.declaration)
        ledgers.append(ledger)
        migration = find_migration(ledger, "avatars")
        assert migration is not None
        return open_run(ledger.of_migration(migration.migration_id), run_id, Mode.MOVE, grace_period=timedelta(0))

    yield of_run
    for ledger in ledgers:
        ledger.close()


def take(ledger: RunLedger) -> Lease:
    with Lease(ledger) as lease:
        return lease


def holder(product: Product) -> Any:
    rows = product.sql(
        "SELECT r.run_id FROM s3_migration.migration AS m LEFT JOIN s3_migration.run AS r ON r.run_no = m.lease_run_no"
    )
    return rows[0][0]


def lease_until(product: Product) -> datetime:
    return product.sql("SELECT lease_until FROM s3_migration.migration")[0][0]  # type: ignore[no-any-return]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def waits_for_a_lock(product: Product) -> bool:
    return product.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ) == [(1,)]


# -- one run at a time --------------------------------------------------------------------------------------------


def test_another_run_waits_and_is_told_for_whom(product: Product, opened: Open) -> None:
    take(opened("first"))
    with pytest.raises(LeaseHeld, match=r"avatars is held by run first \(mode move\).* Fix: wait for that run"):
        take(opened("second"))
    assert holder(product) == "first"


def test_tasks_of_one_run_share_the_lease(opened: Open) -> None:
    one, other = take(opened("first")), take(opened("first"))
    assert one._token == other._token
    for lease in (one, other):
        lease.fence()


def test_the_check_of_another_run_asks_again_later_and_touches_nothing(product: Product, flow: Flow) -> None:
    product.seed("image/1.png")
    flow.begin()
    objects = product.objects("legacy")
    for _ in range(2):
        assert not check.check(flow.declaration, "second", Request(Mode.MOVE, None))
    assert product.objects("legacy") == objects
    flow.work_off(flow.tasks())
    assert flow.red == {}
    assert check.check(flow.declaration, "second", Request(Mode.MOVE, None))


def test_a_lease_that_was_given_back_is_free_at_once(product: Product, opened: Open) -> None:
    take(opened("first")).release()
    assert holder(product) is None
    take(opened("second"))
    assert holder(product) == "second"


def test_a_former_holder_gives_back_and_renews_nothing(product: Product, opened: Open) -> None:
    first = take(opened("first"))
    lapse(product)
    second = take(opened("second"))
    before = lease_until(product)
    first.release()
    first.hold(timedelta(days=1))
    assert (holder(product), lease_until(product)) == ("second", before)
    second.fence()


def test_of_two_that_find_a_lapsed_lease_one_gets_it(product: Product, opened: Open) -> None:
    take(opened("first"))
    lapse(product)
    ledgers, barrier = [opened(f"run {number}") for number in range(4)], threading.Barrier(4)

    def attempt(ledger: RunLedger) -> bool:
        barrier.wait()
        try:
            take(ledger)
        except LeaseHeld:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(attempt, ledgers)) == [False, False, False, True]


# -- how long -----------------------------------------------------------------------------------------------------


def test_a_lease_is_held_while_the_run_sleeps_and_no_shorter(product: Product, opened: Open) -> None:
    ledger = opened("first")
    lease = take(ledger)
    wake = datetime.now(timezone.utc) + timedelta(hours=1)
    lease.hold(timedelta(hours=1))
    assert lease_until(product) >= wake
    take(ledger)
    lease.hold(timedelta(minutes=30))
    assert lease_until(product) >= wake


def test_the_grace_period_is_waited_for_by_the_database_s_clock_whatever_the_worker_s(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + timedelta(hours=1)

    monkeypatch.setattr(sensors, "datetime", Ahead)
    product.seed("image/1.png")
    flow.begin(grace_period=timedelta(minutes=1))
    flow.copy()
    flow.switch()
    sensor = sensors.GracePeriodSensor(task_id="wait_grace", declaration=flow.declaration)
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute({"run_id": flow.run_id, "ti": SimpleNamespace(try_number=1, max_tries=0)})  # type: ignore
    asleep = deferred.value.trigger.moment - Ahead.now(timezone.utc)
    assert timedelta(seconds=30) < asleep < timedelta(seconds=62)
    assert timedelta(minutes=5) < lease_until(product) - datetime.now(timezone.utc) < timedelta(minutes=7)


@pytest.mark.parametrize(
    ("error", "retries_left", "minutes"),
    [
        (AirflowException("refused for now"), True, 20),
        (OperationalError("the server restarts"), True, 20),
        (Stopped("a person may have marked it failed"), True, 5),
        (Incomplete("a person has to look"), True, 5),
        (AirflowException("refused for now"), False, 5),
        (OperationalError("the server restarts"), False, 5),
    ],
)
def test_a_lease_is_kept_until_the_next_try_where_there_is_one(
    product: Product, flow: Flow, error: Exception, retries_left: bool, minutes: int
) -> None:
    flow.begin()
    with pytest.raises(type(error)), working(flow.declaration, flow.run_id, "switch", retries_left=retries_left):
        raise error
    left = lease_until(product) - datetime.now(timezone.utc)
    assert timedelta(minutes=minutes - 1) < left <= timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("try_number", "max_tries", "left"), [(1, 0, False), (1, 1, True), (2, 1, False), (3, 3, True)]
)
def test_airflow_s_own_count_of_tries_says_whether_one_is_left(try_number: int, max_tries: int, left: bool) -> None:
    context = {"ti": SimpleNamespace(try_number=try_number, max_tries=max_tries)}
    assert sensors.retries_left(context) is left  # type: ignore[arg-type]
    assert _is_eligible_to_retry("running", try_number, max_tries) is left


def end_connection(product: Product, ledger: Ledger) -> None:
    """As an administrator, or a failover, does."""
    product.sql("SELECT pg_terminate_backend(%s)", ledger.connection.info.backend_pid)


def test_a_lost_connection_is_what_a_task_says_and_its_lease_is_kept(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the label, nor the record of the try, nor a batch that it was in may hide it."""
    product.seed("image/1.png")
    flow.begin()
    real = copying.mark

    def lose_the_connection_first(run: Run, results: Any) -> None:
        end_connection(product, run.ledger)
        real(run, results)

    monkeypatch.setattr(copying, "mark", lose_the_connection_first)
    labels: list[str] = []
    with pytest.raises(ConnectionLost, match=r"terminating connection due to administrator command.*next try goes on"):
        copying.copy_chunk(flow.declaration, flow.run_id, 1, labels.append, retries_left=True)
    assert len(labels) == 1, "its range"
    assert lease_until(product) - datetime.now(timezone.utc) > timedelta(minutes=19)
    monkeypatch.setattr(copying, "mark", real)
    flow.copy_chunk(1)
    assert "avatar/1.png" in product.objects("production")


def test_a_lost_connection_is_what_work_done_alone_says(product: Product, opened: Open) -> None:
    ledger = opened("first")
    with pytest.raises(AdminShutdown), ledger.alone("proof"):  # noqa: PT012
        end_connection(product, ledger)
        database_time(ledger)


def test_a_lease_is_renewed_while_its_task_works_even_over_a_broken_connection(
    product: Product, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "TTL", timedelta(seconds=0.4))
    with Lease(opened("first")) as lease:
        for _ in range(2):
            before = lease_until(product)
            until(lambda before=before: lease_until(product) > before)  # type: ignore[misc]
            product.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND query ~ '^UPDATE s3_migration.migration'"
            )
        lease.fence()
    thread = lease._thread
    thread.join(10)
    assert not thread.is_alive()


# -- the fence ----------------------------------------------------------------------------------------------------


def test_a_taker_waits_for_the_batch_in_flight(product: Product, opened: Open) -> None:
    ledger, second = opened("first"), opened("second")
    lease = take(ledger)
    with ThreadPoolExecutor(1) as pool:
        with ledger.batch():
            lease.fence()
            lapse(product)
            taking = pool.submit(take, second)
            until(lambda: waits_for_a_lock(product))
            assert holder(product) == "first"
        taking.result().fence()
    with pytest.raises(LeaseHeld), ledger.batch():
        lease.fence()


def test_a_taker_comes_again_where_the_batch_in_flight_takes_long(
    product: Product, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "TAKE_TIMEOUT", "50ms")
    ledger, second = opened("first"), opened("second")
    lease = take(ledger)
    with ledger.batch():
        lease.fence()
        lapse(product)
        with pytest.raises(LeaseHeld):
            take(second)
        assert second.connection.execute("SELECT 1").fetchone() is not None
    take(second)
    assert holder(product) == "second"


def test_a_batch_in_flight_holds_up_no_renewal(product: Product, opened: Open) -> None:
    ledger, sibling = opened("first"), opened("first")
    lease = take(ledger)
    with ledger.batch():
        lease.fence()
        before = lease_until(product)
        take(sibling).hold(timedelta())
        assert lease_until(product) > before


STEPS = ["list", "copy", "switch", "verify", "delete"]


@pytest.mark.parametrize("step", STEPS)
def test_a_former_holder_writes_nothing(
    product: Product, flow: Flow, opened: Open, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The lease is lost in the middle of a task: just before it would write."""
    product.seed("image/1.png", "image/2.png")
    flow.begin()
    for before in STEPS[1 : STEPS.index(step)] if step != "list" else []:
        getattr(flow, before)()
    if step == "delete":
        assert flow.gate()
    original, stolen = Lease.fence, []

    def state() -> tuple[object, ...]:
        ledger = product.sql("SELECT * FROM s3_migration.ledger ORDER BY legacy_key")
        return ledger, product.sql("SELECT * FROM s3_migration.chunk"), product.rows(), product.objects("legacy")

    def steal_first(lease: Lease) -> None:
        if not stolen:
            lapse(product)
            stolen.append(take(opened("second")))
        original(lease)

    known = state()
    monkeypatch.setattr(Lease, "fence", steal_first)
    with pytest.raises(LeaseHeld, match=r"held by run second.* Fix: wait for that run to end, then clear this task"):
        getattr(flow, step)()
    assert stolen
    assert state() == known
    assert holder(product) == "second"


def test_another_run_works_only_once_the_deletions_on_their_way_are_over(
    product: Product, flow: Flow, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.seed("image/1.png", "image/2.png")
    second, original, seen = opened("second"), deletion._ask_legacy, []
    product.sql("UPDATE s3_migration.run SET listed_at = now() WHERE run_id = 'second'")

    def work() -> None:
        with working(product.declaration, "second", "verify"):
            seen.append(deletions_left(second))

    def lose_the_lease_first(run: Run, *asked: Any) -> Any:
        lapse(product)
        other = ThreadPoolExecutor(1).submit(work)
        until(lambda: holder(product) == "second")
        time.sleep(0.3)
        assert not other.done()
        answers = original(run, *asked)
        expire(product)
        other.result()
        return answers

    monkeypatch.setattr(deletion, "_ask_legacy", lose_the_lease_first)
    flow.attempt()
    assert seen == [None]
    assert isinstance(flow.red["delete", 1], LeaseHeld), "what it deleted is not marked: the other run sees it gone"


def test_a_former_holder_has_scratch_tables_of_its_own(product: Product, opened: Open) -> None:
    """Else what it listed long ago would be taken for the new holder's look, and objects be deleted on it."""
    first, second = opened("first"), opened("second")
    staging.create(first)
    staging.create(second)
    seen = S3Object("image/1.png", 1, "etag", datetime.now(timezone.utc).isoformat())
    staging.fill(first, "production", [[seen]])
    found = second.connection.execute(sql.SQL("SELECT * FROM {}").format(second.parts["production"]))
    assert found.fetchall() == []
