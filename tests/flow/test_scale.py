"""What keeps the time of a run a straight line, and the benches that measure it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import nights, scale, switching
from bench.bench import Bench
from bench.numbered_store import NumberedStore
from bench.results import Options
from bench.scale import planned
from bench.scaled_run import STEPS, scaled_run
from bench.servers import ROWS, Servers
from bench.switching import RUN, run_again
from devstack.product import ROLE, ensure_role
from s3_migration.ledger.deletion import grace_left
from s3_migration.steps import hooks, settling
from s3_migration.steps.completeness import Incomplete
from s3_migration.steps.listing import take_listing
from s3_migration.steps.reconciliation import reconcile
from s3_migration.steps.run import working
from s3_migration.steps.verification import verify_copies
from tests.support.product import Product

MANY = 50_000


@pytest.fixture
def store(product: Product, monkeypatch: pytest.MonkeyPatch) -> NumberedStore:
    """In place of S3; no statement of a step may take as long as it takes to join each object with each."""
    made = NumberedStore(MANY)
    monkeypatch.setattr(hooks, "make_hooks", lambda *_, **__: (made, made))
    (database,) = product.sql("SELECT current_database()")[0]
    product.sql(f"ALTER DATABASE {database} SET statement_timeout = '15s'")
    return made


def test_no_statement_is_endless_where_the_statistics_are_of_an_earlier_night(
    product: Product, store: NumberedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All was withdrawn then, and nothing was left; now as much has come again."""
    declaration = product.declaration
    product.sql(
        "INSERT INTO s3_migration.run (migration_id, run_id, mode, grace_period) VALUES (1, 'earlier', 'move', '0')"
    )
    product.sql(
        "INSERT INTO s3_migration.ledger (migration_id, legacy_key, legacy_size, legacy_etag, legacy_modified, run_no, "
        "legacy_gone_at, problem) "
        "SELECT 1, 'image/' || n, 1, 'e', now(), r.run_no, now(), 'withdrawn' "
        "FROM generate_series(1, %s) AS n CROSS JOIN s3_migration.run AS r",
        MANY,
    )
    product.sql("INSERT INTO avatars (path) SELECT 'avatar/' || n FROM generate_series(1, %s) AS n", MANY)
    product.sql("VACUUM ANALYZE s3_migration.ledger")
    product.sql("VACUUM ANALYZE avatars")

    run_again(product.database)
    product.sql(ROWS, MANY)
    store.copied = True
    for _ in range(2):  # what is new is inserted, then adopted
        take_listing(declaration, RUN)
    # As if the application named legacy again right behind the switch.
    monkeypatch.setattr(settling, "switch_rows", lambda *_, **__: 0)
    with pytest.raises(Incomplete, match=f"{MANY:,} still_referenced"):
        verify_copies(declaration, RUN)
    assert product.sql("SELECT count(*) FROM s3_migration.ledger WHERE problem = 'still_referenced'") == [(MANY,)]
    with working(declaration, RUN, "grace") as run:
        grace_left(run.ledger)
    with pytest.raises(Incomplete, match=f"{MANY:,} still_referenced"):
        reconcile(declaration, RUN, last=True)


@pytest.mark.parametrize(
    ("objects", "instances"), [(1, 10), (10_000, 10), (10_001, 13), (2_000_000, 607), (10**10, 607)]
)
def test_a_run_is_bounded_whatever_the_number(objects: int, instances: int) -> None:
    most = planned(objects)
    assert most["task_instances"] == instances <= 2_500
    assert most["xcom_bytes"] <= 64 * 1024


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """Of the bench; without the S3 server, which these parts do not ask."""
    made = Servers.of(tmp_path)
    try:
        made.postgres.start()
        ensure_role(made.postgres, ROLE, made.postgres.password)
        yield made
    finally:
        made.stop()


def test_the_bench_of_the_switch_runs(servers: Servers) -> None:
    bench = Bench(servers, Options(rows=2000, runs=2))
    switching.measure(bench)
    for index in ("without an index", "indexed"):
        assert len(bench.samples[f"switching/{index}/ratio"]) == len(bench.samples[f"switching/{index}/longest"]) == 2
        assert bench.samples[f"switching/{index}/500/seconds"]


def test_the_bench_of_keys_in_random_order_runs(servers: Servers) -> None:
    bench = Bench(servers, Options(rows=2000, runs=1))
    switching.measure_orders(bench)
    assert bench.samples["orders/random keys/ratio"]


def test_the_bench_of_scale_runs(servers: Servers) -> None:
    """All steps of the real code over the store of arithmetic; in one process, to be quick."""
    with scaled_run(Bench(servers, Options(sizes=(0.0003,))), 300, already=5) as run:
        run.watched("list", *STEPS)
        assert run.settle()["chunks"] == 1
        assert run.figures["requests_but_copies"] * 300 < 100
        assert 0 < run.figures["proof_age"] < 60
        assert run.counters()["CopyObject 200"] < 160
    assert "| chunks | 1 |" in scale.table({300: run.figures})


def test_the_bench_of_a_quiet_night_runs(servers: Servers) -> None:
    """After one with new objects, here and there among what is finished."""
    with scaled_run(Bench(servers, Options(sizes=(0.001,))), 1_000, rows=0, moved=True, fresh=nights.FRESH) as run:
        nights.fill(run, 1_000)
        run.watched("list", *STEPS)
        assert run.counters()["CopyObject 200"] == 1_000 // nights.FRESH + 1, "one of the canary"
        night = nights.quiet(run)
    assert night["requests"] < 60
    assert 0 < night["database"] < night["seconds"]
