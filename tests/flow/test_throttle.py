"""The switch backs off: the decision as a truth table, and what the database is really seen to be doing."""

from __future__ import annotations

import itertools
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from devstack.environment import environment
from devstack.ports import free_port
from devstack.postgres import Postgres, binary
from s3_migration.ledger.connection import Ledger
from s3_migration.ledger.replica_lag import NoLag, declared_lag
from s3_migration.ledger.switching import observe_load
from s3_migration.model import throttle
from s3_migration.model.declaration import Declaration
from s3_migration.model.throttle import MANY_ROWS, MAX_REPLICA_WAIT, SHARE, Load, Next, Waited, decide
from s3_migration.steps import passes, throttling
from s3_migration.steps.throttling import ReplicasBehind
from tests.support.connections import ROLE
from tests.support.flow import Flow
from tests.support.product import Product
from tests.support.servers import made_postgres
from tests.support.switching import copied, unswitched

LIMIT = timedelta(seconds=10)

# -- the decision -------------------------------------------------------------------------------------------------

LAGS = {"unknown": None, "none": 0.0, "at the limit": 10.0, "above": 10.1, "without end": float("inf")}
LONG = MAX_REPLICA_WAIT.total_seconds()
WAITED_FOR_REPLICAS = {"not": 0.0, "a while": LONG - 1, "long": LONG, "longer": LONG + 1}
VACUUMS = {"unknown": None, "none": False, "at work": True}
ROWS = {  # dead, live
    "unknown": (None, None),
    "dead unknown": (None, 1_000_000),
    "live unknown": (1_000_000, None),
    "none": (0, 1_000_000),
    "few": (199_999, 1_000_000),
    "few of a small table": (MANY_ROWS - 1, 1),
    "many": (200_000, 1_000_000),
    "many of a small table": (MANY_ROWS, 1),
    "all": (1_000_000, 0),
}
MANY = ("many", "many of a small table", "all")
WAITED_FOR_VACUUM = {"not": 0.0, "a while": SHARE * 100 - 1, "long": SHARE * 100, "longer": SHARE * 100 + 1}


@pytest.mark.parametrize("lag", LAGS)
@pytest.mark.parametrize("vacuum", VACUUMS)
def test_what_is_done_before_the_next_batch(lag: str, vacuum: str) -> None:
    for rows, replicas, dead in itertools.product(ROWS, WAITED_FOR_REPLICAS, WAITED_FOR_VACUUM):
        load = Load(LAGS[lag], ROWS[rows][1], ROWS[rows][0], VACUUMS[vacuum])
        waited = Waited(WAITED_FOR_REPLICAS[replicas], WAITED_FOR_VACUUM[dead], at_work=100)
        if lag in {"above", "without end"}:
            expected = Next.WAIT_FOR_REPLICAS if replicas in {"not", "a while"} else Next.GIVE_UP
        elif vacuum == "at work" and rows in MANY and dead in {"not", "a while"}:
            expected = Next.WAIT_FOR_VACUUM
        else:
            expected = Next.GO_ON
        assert decide(load, LIMIT, waited) is expected, (rows, replicas, dead)


def test_the_decision_is_documented() -> None:
    rows = [line for line in str(throttle.__doc__).splitlines() if line.startswith("|")][2:]
    assert {row.split("|")[-2].strip() for row in rows} == {following.value for following in Next}


def test_waiting_for_vacuum_never_makes_the_switch_much_slower() -> None:
    """A vacuum that never ends: so long as the switch works for a second, it waits a quarter of one."""
    waited, worked, stuck = Waited(), 0, Load(None, 1_000_000, 900_000, True)
    for _ in range(10_000):
        if decide(stuck, LIMIT, waited) is Next.WAIT_FOR_VACUUM:
            waited.for_vacuum += 1
        else:
            worked += 1
        waited.at_work += 1
    assert 1.2 < waited.at_work / worked < 1.3


# -- a declared query ---------------------------------------------------------------------------------------------


@pytest.fixture
def heartbeat(product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> Callable[[float | None], None]:
    """Lag is what the test says it is; the throttle looks before every batch."""
    product.sql(f"CREATE TABLE heartbeat (lag float); GRANT SELECT ON heartbeat TO {ROLE}")
    product.sql("INSERT INTO heartbeat VALUES (0)")
    database = product.declaration.database.model_copy(update={"lag_query": "SELECT lag FROM heartbeat"})
    flow.declaration = product.declaration.model_copy(update={"database": database})
    monkeypatch.setattr(throttling, "OBSERVE_EVERY", 0.05)
    return lambda lag: product.sql("UPDATE heartbeat SET lag = %s", lag) and None


@contextmanager
def switching(flow: Flow) -> Iterator[list[BaseException]]:
    """The switch at work beside the test; what it raised."""
    raised: list[BaseException] = []

    def switch() -> None:
        try:
            flow.switch()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=switch)
    thread.start()
    try:
        yield raised
    finally:
        thread.join(60)
        assert not thread.is_alive()


def wait_until(holds: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)


def test_it_waits_while_the_replicas_lag_and_goes_on_when_they_have_caught_up(
    product: Product, flow: Flow, heartbeat: Callable[[float | None], None], caplog: pytest.LogCaptureFixture
) -> None:
    copied(product, flow, 3000)
    heartbeat(10.5)
    before = product.sql("SELECT id, xmin::text, path FROM avatars ORDER BY id")
    with caplog.at_level("INFO"), switching(flow) as raised:
        wait_until(lambda: "waits for the replicas: 10.5 s behind (database.max_lag: 10 s)" in caplog.text)
        time.sleep(1)
        assert product.sql("SELECT id, xmin::text, path FROM avatars ORDER BY id") == before
        heartbeat(10)
    assert raised == []
    assert unswitched(product) == []
    assert caplog.text.count("waits for the replicas") == 1
    assert "it goes on" in caplog.text


def test_it_stops_where_the_replicas_fall_behind_in_its_midst(
    product: Product, flow: Flow, heartbeat: Callable[[float | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from s3_migration.steps import switching as steps

    copied(product, flow, 5000)
    monkeypatch.setattr(passes, "FIRST_PAGES", 1)
    monkeypatch.setattr(passes, "MAX_PAGES", 1)
    original, batches = steps._switch_pages, itertools.count()

    def switch(*args: Any) -> int:
        switched = original(*args)
        if next(batches) == 3:
            heartbeat(60)
        return switched

    monkeypatch.setattr(steps, "_switch_pages", switch)
    monkeypatch.setattr(throttling, "OBSERVE_EVERY", 0.01)
    with switching(flow) as raised:
        time.sleep(1.5)
        left = len(unswitched(product))
        assert 0 < left < 5000
        time.sleep(0.5)
        assert len(unswitched(product)) == left
        heartbeat(None)  # unknown
    assert raised == []
    assert unswitched(product) == []


def test_replicas_that_never_catch_up_are_named_and_the_task_tries_again(
    product: Product, flow: Flow, heartbeat: Callable[[float | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(product, flow, 500)
    heartbeat(11)
    monkeypatch.setattr(throttle, "MAX_REPLICA_WAIT", timedelta(seconds=0.2))
    with pytest.raises(ReplicasBehind, match=r"11\.0 s behind, where database\.max_lag allows 10 s(.|\n)*tries again"):
        flow.switch()
    assert len(unswitched(product)) == 500
    heartbeat(0)
    flow.switch()
    assert unswitched(product) == []


def test_a_query_that_fails_holds_up_as_lag_does(
    product: Product, flow: Flow, heartbeat: Callable[[float | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(product, flow, 500)
    monkeypatch.setattr(throttle, "MAX_REPLICA_WAIT", timedelta(seconds=0.2))
    product.sql("ALTER TABLE heartbeat RENAME TO heart_beat")
    with pytest.raises(ReplicasBehind, match=r"database\.lag_query gives no answer"):
        flow.switch()
    assert len(unswitched(product)) == 500
    product.sql("ALTER TABLE heart_beat RENAME TO heartbeat")
    flow.switch()


@pytest.mark.parametrize("lag", [None, 0, -3])
def test_what_is_unknown_or_within_the_limit_never_blocks(
    product: Product, flow: Flow, heartbeat: Callable[[float | None], None], lag: float | None
) -> None:
    copied(product, flow, 500)
    heartbeat(lag)
    flow.switch()
    assert unswitched(product) == []


def test_a_pass_that_writes_nothing_waits_for_nobody(
    product: Product, flow: Flow, heartbeat: Callable[[float | None], None]
) -> None:
    product.seed("image/1", "image/2")
    account = flow.run(before_verify=lambda: heartbeat(99))
    assert account.deleted == 2


@pytest.fixture
def ledger(product: Product) -> Iterator[Ledger]:
    made = Ledger.connect(product.declaration)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("query", "lag"),
    [
        ("SELECT 5", 5.0),
        ("SELECT 0.5", 0.5),
        ("SELECT 2.5::float;", 2.5),
        ("SELECT interval '1 min'", 60.0),
        ("SELECT NULL::float", None),
        ("SELECT 1 WHERE false", None),
        ("SELECT 5 -- %s and %(x)s are the query's own", 5.0),
        ("WITH a AS (SELECT 7 AS lag) SELECT lag FROM a", 7.0),
    ],
)
def test_a_query_that_can_be_used(ledger: Ledger, query: str, lag: float | None) -> None:
    assert declared_lag(ledger.connection, query) == lag


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 'soon'",
        "SELECT true",
        "SELECT 'NaN'::float",
        "SELECT 1, 2",
        "SELECT generate_series(1, 2)",
        "SET work_mem = '8MB'",
        "SELECT 1; COMMIT",
        "SELECT lag FROM nowhere",
        "UPDATE avatars SET path = 'x' RETURNING 1",
        "nonsense",
    ],
)
def test_a_query_that_gives_no_lag_or_does_more_than_read(product: Product, ledger: Ledger, query: str) -> None:
    product.row("image/1")
    with pytest.raises((NoLag, psycopg.Error)):
        declared_lag(ledger.connection, query)
    assert product.rows() == ["image/1"]
    assert not ledger.connection.broken
    assert ledger.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


# -- what the database is doing -----------------------------------------------------------------------------------


def look(ledger: Ledger) -> dict[str, Any]:
    (reference,) = ledger.declaration.references
    return observe_load(ledger.of_reference(reference))._asdict()


def test_a_vacuum_of_the_table_is_seen_by_the_role_with_the_shipped_grants(product: Product, ledger: Ledger) -> None:
    """A real one, held still at its first page by its cost limit. Of another table's nothing is made."""
    product.sql("CREATE TABLE other AS SELECT n, repeat('x', 500) AS x FROM generate_series(1, 200000) AS n")
    product.sql("INSERT INTO avatars (path) SELECT repeat('x', 500) || n FROM generate_series(1, 200000) AS n")
    product.sql("DELETE FROM avatars WHERE id <= 50000")
    for table, seen in (("other", False), ("avatars", True)):
        with vacuuming(product, table) as at_work:
            wait_until(at_work)
            assert look(ledger)["vacuuming"] is seen
        assert look(ledger)["vacuuming"] is False
    product.sql("DROP TABLE other")


def test_of_a_partitioned_table_the_load_of_all_its_parts_is_seen(product: Product, ledger: Ledger) -> None:
    product.sql(
        "CREATE TABLE things (id int, v text) PARTITION BY HASH (id);"
        "CREATE TABLE things_1 PARTITION OF things FOR VALUES WITH (MODULUS 2, REMAINDER 0)"
        " WITH (autovacuum_enabled = off);"
        "CREATE TABLE things_2 PARTITION OF things FOR VALUES WITH (MODULUS 2, REMAINDER 1)"
        " WITH (autovacuum_enabled = off);"
        "INSERT INTO things SELECT n, repeat('x', 500) FROM generate_series(1, 10000) AS n"
    )
    product.sql("DELETE FROM things WHERE id <= 2000")
    fields = product.declaration.model_dump(mode="json")
    fields["database"]["references"] = [{"table": "things", "column": "v"}]
    (reference,) = Declaration.model_validate(fields).references
    of_things = ledger.of_reference(reference)

    def counted() -> bool:
        load = observe_load(of_things)
        return (load.live_rows, load.dead_rows) == (8000, 2000)

    wait_until(counted)
    for part in ("things_1", "things_2"):
        with vacuuming(product, part) as at_work:
            wait_until(at_work)
            assert observe_load(of_things).vacuuming
            assert not look(ledger)["vacuuming"]
        assert not observe_load(of_things).vacuuming


@contextmanager
def vacuuming(product: Product, table: str) -> Iterator[Callable[[], bool]]:
    """Slow enough to be looked at: 10 ms for each page. Cancelled at the end."""
    with psycopg.connect(product.database_uri, autocommit=True) as connection:
        connection.execute("SET vacuum_cost_delay = 100")
        connection.execute("SET vacuum_cost_limit = 1")
        vacuums = connection.info.backend_pid

        def vacuum() -> None:
            with suppress(psycopg.errors.QueryCanceled):
                connection.execute(f"VACUUM {table}")  # type: ignore[call-overload]

        thread = threading.Thread(target=vacuum)
        thread.start()
        try:
            # This very one: autovacuum may be at work beside it.
            yield lambda: bool(product.sql("SELECT 1 FROM pg_stat_progress_vacuum WHERE pid = %s", vacuums))
        finally:
            connection.cancel_safe()
            thread.join(30)


def test_it_waits_for_a_vacuum_and_not_for_good(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The vacuum lasts as long as the switch does: that one waits for its share, and is done."""
    copied(product, flow, 60_000)
    product.sql("UPDATE avatars SET path = path WHERE id <= 30000")
    product.sql("SELECT pg_stat_force_next_flush()")
    monkeypatch.setattr(throttling, "OBSERVE_EVERY", 0.05)
    with vacuuming(product, "avatars") as at_work:
        wait_until(at_work)
        wait_until(
            lambda: product.sql("SELECT n_dead_tup >= 30000 FROM pg_stat_user_tables WHERE relname = 'avatars'")[0][0]
        )
        with caplog.at_level("INFO"):
            flow.switch()
        assert at_work()
    assert "waits for the vacuum of avatars to end" in caplog.text
    assert unswitched(product) == []


# -- a real replica -----------------------------------------------------------------------------------------------


class TestReplica:
    @pytest.fixture
    def postgres(self, tmp_path: Path) -> Iterator[Postgres]:
        """A server of its own: the replica would be one of all databases of the tests."""
        with made_postgres(tmp_path / "primary") as server:
            yield server

    @pytest.fixture
    def replica(self, postgres: Postgres, tmp_path: Path) -> Iterator[psycopg.Connection[Any]]:
        """A standby that streams from the server of the tests."""
        standby = Postgres(tmp_path / "replica", free_port(), postgres.password)
        standby.directory.mkdir()
        command = [*binary("pg_basebackup"), "-D", str(standby.data), "-d", postgres.dsn()]
        command += ["--checkpoint=fast", "--write-recovery-conf", "--no-sync"]
        subprocess.run(command, env=environment(), check=True, timeout=120)
        try:
            standby.start()
            with standby.connect() as connection:
                yield connection
        finally:
            standby.stop()

    def test_a_replica_that_lags_is_waited_for_where_the_role_may_see_it(
        self,
        product: Product,
        flow: Flow,
        replica: psycopg.Connection[Any],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        database = product.declaration.database.model_copy(update={"max_lag": timedelta(seconds=1)})
        flow.declaration = product.declaration.model_copy(update={"database": database})
        monkeypatch.setattr(throttling, "OBSERVE_EVERY", 0.1)
        lag = "SELECT coalesce(max(replay_lag), '0') > interval '2s' FROM pg_stat_replication"

        def behind() -> bool:
            product.sql("CREATE TABLE IF NOT EXISTS busy (n int)")
            product.sql("INSERT INTO busy SELECT generate_series(1, 100)")
            return bool(product.sql(lag)[0][0])

        copied(product, flow, 1000)
        wait_until(lambda: product.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == [(1,)])
        replica.execute("SELECT pg_wal_replay_pause()")
        wait_until(behind)
        product.sql("UPDATE avatars SET path = path WHERE id <= 500")
        product.sql(f"GRANT pg_read_all_stats TO {ROLE}")
        try:
            with caplog.at_level("INFO"), switching(flow) as raised:
                wait_until(lambda: "waits for the replicas" in caplog.text)
                time.sleep(1)
                assert len(unswitched(product)) == 1000
                replica.execute("SELECT pg_wal_replay_resume()")
            assert raised == []
            assert unswitched(product) == []
        finally:
            product.sql(f"REVOKE pg_read_all_stats FROM {ROLE}")

        # Hidden from the role, it counts as unknown, and the log says so once.
        product.row("image/1")
        replica.execute("SELECT pg_wal_replay_pause()")
        wait_until(behind)
        caplog.clear()
        flow.switch()
        assert unswitched(product) == []
        assert caplog.text.count("hide their lag from its role") == 1
