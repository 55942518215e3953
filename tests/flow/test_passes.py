"""Passes over the application's tables go piece by piece: no statement of theirs asks for all rows."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import errors

from s3_migration.ledger.connection import Ledger, ReferenceLedger
from s3_migration.steps import passes
from s3_migration.steps.passes import RowsLocked, Walk, look
from s3_migration.steps.run import Run, working
from tests.support.flow import Flow
from tests.support.product import Product
from tests.support.switching import copied, unswitched


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "FIRST_PAGES", 1)
    monkeypatch.setattr(passes, "MAX_PAGES", 2)


@contextmanager
def at_work(flow: Flow, **declared: Any) -> Iterator[Run]:
    declaration = flow.declaration.model_copy(update=declared)
    with working(declaration, flow.run_id, "verify") as run:
        yield run


def paths(run: Run, rows: ReferenceLedger, first: str, last: str) -> list[str]:
    found = run.ledger.connection.execute(
        "SELECT path, pg_backend_pid() AS pid FROM avatars WHERE ctid >= %s::tid AND ctid < %s::tid", [first, last]
    )
    return [row["path"] for row in found]


def seen(run: Run) -> list[str]:
    (reference,) = run.declaration.references
    return [path for found in look(run, reference, paths) for path in found]


@pytest.mark.parametrize("at_once", [1, 3])
@pytest.mark.parametrize("rows", [0, 1, 1000])
def test_a_look_comes_to_every_row_once(product: Product, flow: Flow, rows: int, at_once: int) -> None:
    copied(product, flow, rows)
    with at_work(flow, parallel_passes=at_once) as run:
        found = seen(run)
    assert len(found) == rows
    assert set(found) == {f"image/{number}" for number in range(1, rows + 1)}


def test_what_is_added_meanwhile_is_looked_at_too(product: Product, flow: Flow) -> None:
    copied(product, flow, 1000)
    moved: list[str] = []

    def move(run: Run, rows: ReferenceLedger, first: str, last: str) -> list[str]:
        if not moved and first != "(0,0)":
            # Ahead of the pass, and moved once it has counted the pages: to the end, since no page before has room.
            product.sql("UPDATE avatars SET path = path WHERE id BETWEEN 900 AND 1000")
            moved.append(first)
        return paths(run, rows, first, last)

    with at_work(flow) as run:
        (reference,) = run.declaration.references
        found = {path for page in look(run, reference, move) for path in page}
    assert moved
    assert len(found) == 1000


def test_what_lasts_too_long_is_done_in_halves(product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "FIRST_PAGES", 64)
    copied(product, flow, 1000)
    asked = []

    def slow(run: Run, rows: ReferenceLedger, first: str, last: str) -> list[str]:
        asked.append((first, last))
        if (first, last) not in {("(0,0)", "(1,0)"), ("(1,0)", "(2,0)"), ("(2,0)", "(3,0)")}:
            raise errors.QueryCanceled
        return paths(run, rows, first, last)

    with at_work(flow) as run:
        (reference,) = run.declaration.references
        with pytest.raises(errors.QueryCanceled):  # of a single page nothing is left to halve
            list(look(run, reference, slow))
    assert ("(0,0)", "(1,0)") in asked
    assert ("(3,0)", "(4,0)") in asked


def test_a_look_waits_for_a_lock_and_goes_on(product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    copied(product, flow, 300)
    pauses: list[float] = []
    with psycopg.connect(product.database_uri) as app:
        app.execute("LOCK TABLE avatars IN ACCESS EXCLUSIVE MODE")

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 2:
                app.commit()

        monkeypatch.setattr(passes.time, "sleep", pause)
        with at_work(flow) as run:
            assert len(seen(run)) == 300
    assert len(pauses) == 2


def test_a_lock_that_stays_is_named(product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    copied(product, flow, 300)
    monkeypatch.setattr(passes, "LOCKED_TRIES", 2)
    monkeypatch.setattr(passes.time, "sleep", lambda _: None)
    with psycopg.connect(product.database_uri) as app:
        app.execute("LOCK TABLE avatars IN ACCESS EXCLUSIVE MODE")
        ended_by = rf"avatars.* stayed locked.*SELECT pg_terminate_backend\({app.info.backend_pid}\)"
        with at_work(flow) as run, pytest.raises(RowsLocked, match=ended_by):
            seen(run)


def test_one_piece_at_a_time_needs_no_other_session(product: Product, flow: Flow) -> None:
    copied(product, flow, 1000)
    with at_work(flow) as run:
        (reference,) = run.declaration.references
        pids = set(Walk[int](run, reference).once(lambda of, *_: int(of.ledger.value("backend_pid"))))
        assert pids == {run.ledger.connection.info.backend_pid}
        threads = set(Walk[int](run, reference).once(lambda *_: threading.get_ident()))
        assert threads == {threading.get_ident()}


def test_pieces_beside_each_other_have_a_session_each(product: Product, flow: Flow) -> None:
    copied(product, flow, 2000)
    opened = []
    together, turns = threading.Barrier(3, timeout=5), itertools.count()

    def piece(of: Run, rows: ReferenceLedger, first: int, last: int) -> int:
        if next(turns) < 3:
            together.wait()
        opened.append(of.ledger.connection)
        with of.ledger.batch():
            of.lease.fence()
            return int(of.ledger.value("backend_pid"))

    with at_work(flow, parallel_passes=3) as run:
        (reference,) = run.declaration.references
        pids = set(Walk[int](run, reference).once(piece))
        assert len(pids) == 3
        assert run.ledger.connection.info.backend_pid not in pids
    assert all(connection.closed for connection in opened)


@pytest.mark.parametrize("at_once", [1, 3])
def test_the_switch_goes_beside_itself(product: Product, flow: Flow, at_once: int) -> None:
    copied(product, flow, 3000)
    flow.declaration = flow.declaration.model_copy(update={"parallel_passes": at_once})
    flow.switch()
    assert unswitched(product) == []
    assert sorted(product.rows()) == sorted(f"avatar/{number}" for number in range(1, 3001))


def test_an_error_of_one_of_them_ends_the_pass(product: Product, flow: Flow) -> None:
    copied(product, flow, 2000)

    def piece(of: Run, rows: ReferenceLedger, first: int, last: int) -> None:
        if first == 2:
            raise ZeroDivisionError

    with at_work(flow, parallel_passes=3) as run:
        (reference,) = run.declaration.references
        with pytest.raises(ZeroDivisionError):
            list(Walk[None](run, reference).once(piece))


def test_partitions_are_passed_over_together(product: Product, flow: Flow) -> None:
    copied(product, flow, 0)
    product.sql("DROP TABLE avatars")
    product.sql("CREATE TABLE avatars (id int, path varchar) PARTITION BY RANGE (id)")
    for first, last in ((0, 500), (500, 600)):
        product.sql(f"CREATE TABLE avatars_{first} PARTITION OF avatars FOR VALUES FROM ({first}) TO ({last})")
    product.sql("GRANT SELECT ON avatars TO migrator")
    product.sql("INSERT INTO avatars SELECT n, 'image/' || n FROM generate_series(1, 599) AS n")
    with at_work(flow) as run:
        assert sorted(seen(run)) == sorted(f"image/{number}" for number in range(1, 600))


def test_a_night_with_nothing_to_do_reads_the_rows_once(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a row that names what was moved long ago is found all the same."""
    product.seed("image/1.png", "image/2.png")
    flow.run()
    read = Counter[str]()
    execute = Ledger.execute

    def counted(ledger: Ledger, file: str, /, **values: Any) -> Any:
        read[file] += isinstance(ledger, ReferenceLedger) and "first" in values
        return execute(ledger, file, **values)

    monkeypatch.setattr(Ledger, "execute", counted)
    assert flow.run().states == {}
    assert {file for file, number in read.items() if number} == {"find_unlisted_rows"}, "nothing was listed"
    product.row("image/1.png")
    assert flow.run().rows_switched == 1
    assert read["switch_rows"]
