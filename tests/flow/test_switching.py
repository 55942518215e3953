"""Switching rows of a live table: locks, constraints, rows that move, and batches that stay small."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from s3_migration.ledger.connection import Ledger
from s3_migration.ledger.statements import statement, takes
from s3_migration.steps import passes, switching
from s3_migration.steps.completeness import Incomplete
from s3_migration.steps.passes import RowsLocked
from tests.support.flow import Flow
from tests.support.product import Product
from tests.support.switching import copied, unswitched


@contextmanager
def other_connection(product: Product) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(product.database_uri) as connection:
        yield connection


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "FIRST_PAGES", 1)
    monkeypatch.setattr(passes, "MAX_PAGES", 2)


@pytest.mark.parametrize("rows", [0, 1, 1000])
@pytest.mark.parametrize("indexed", [False, True])
def test_all_rows_are_switched_and_again_none(product: Product, flow: Flow, rows: int, indexed: bool) -> None:
    if indexed:
        product.sql("CREATE INDEX ON avatars (path)")
    copied(product, flow, rows)
    product.row(None, "", "other/1", "avatar/1", "image/unknown")
    flow.switch()
    expected = [f"avatar/{number}" for number in range(1, rows + 1)]
    assert product.rows() == [*expected, None, "", "other/1", "avatar/1", "image/unknown"]
    before = product.sql("SELECT id, xmin::text, path FROM avatars ORDER BY id")
    flow.switch()
    assert product.sql("SELECT id, xmin::text, path FROM avatars ORDER BY id") == before


@pytest.mark.parametrize("keeps", ["old.path", "'image/1'"], ids=["the old value", "one row's"])
def test_a_trigger_that_puts_the_old_path_back_ends(product: Product, flow: Flow, keeps: str) -> None:
    """It was 146,863 passes over the table, and as many dead rows."""
    product.seed("image/1", "image/2")
    product.sql(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF old.path = 'image/1' THEN new.path = {keeps}; END IF; RETURN new; END $$"
    )
    product.sql("CREATE TRIGGER keep BEFORE UPDATE ON avatars FOR EACH ROW EXECUTE FUNCTION keep()")
    account = flow.attempt()
    assert account.states == {"moved": 1, "still_referenced": 1}
    # switch, verify and reconcile each pass over it until passes make no headway, after two that tell what headway is.
    assert account.rows_switched <= 1 + 3 * (switching.MAX_IDLE_PASSES + 2)
    assert product.rows() == ["image/1", "avatar/2"]
    assert set(product.objects("legacy")) == {"image/1"}
    assert "image/1" in str(flow.red["verify", 0])
    product.sql("DROP TRIGGER keep ON avatars")
    flow.clear_failed()
    assert flow.red == {}
    assert product.rows() == ["avatar/1", "avatar/2"]


# -- locks --------------------------------------------------------------------------------------------------------


def test_a_locked_row_is_waited_for(product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    copied(product, flow, 500)
    pauses = []
    with other_connection(product) as app:
        app.execute("SELECT FROM avatars WHERE path = 'image/7' FOR UPDATE")

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 2:
                app.commit()

        monkeypatch.setattr(switching.time, "sleep", pause)
        flow.switch()
    assert pauses == sorted(set(pauses)), "each pause is longer than the one before"
    assert len(pauses) == 2
    assert unswitched(product) == []


HOLDS = {
    "a row": ("SELECT FROM avatars WHERE path = 'image/7' FOR UPDATE", ["image/7"]),
    "a row that a foreign key looks at": ("SELECT FROM avatars WHERE path = 'image/7' FOR KEY SHARE", []),
    "the table, against writing": ("LOCK TABLE avatars IN SHARE MODE", ["image/7", "image/8"]),
    "the table, against reading": ("LOCK TABLE avatars IN ACCESS EXCLUSIVE MODE", ["image/7", "image/8"]),
}


@pytest.mark.parametrize(("lock", "held"), HOLDS.values(), ids=HOLDS)
def test_what_stays_locked_is_named_and_holds_up_no_other_row(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch, lock: str, held: list[str]
) -> None:
    copied(product, flow, 500)
    monkeypatch.setattr(switching.time, "sleep", lambda _: None)
    monkeypatch.setattr(switching, "LOCKED_PASSES", 1)
    with other_connection(product) as app:
        app.execute(lock)
        if held:
            ended_by = rf"rows of avatars stayed locked.*SELECT pg_terminate_backend\({app.info.backend_pid}\)"
            with pytest.raises(RowsLocked, match=ended_by):
                flow.switch()
        else:
            flow.switch()
        app.rollback()
    left = unswitched(product)
    assert left == held or (len(left) == 500 and len(held) == 2)
    flow.switch()
    assert unswitched(product) == []


# -- refusals -----------------------------------------------------------------------------------------------------

TRIGGER = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN IF old.path = 'image/7' THEN RAISE 'no' USING ERRCODE = '{}'; END IF; RETURN new; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON avatars FOR EACH ROW EXECUTE FUNCTION refuse();
"""
REFUSALS = {
    "23505": (
        "CREATE UNIQUE INDEX ON avatars (path); INSERT INTO avatars (path) VALUES ('avatar/7')",
        "DELETE FROM avatars WHERE path = 'avatar/7'",
    ),
    "23514": (
        "ALTER TABLE avatars ADD CONSTRAINT no_seven CHECK (path <> 'avatar/7')",
        "ALTER TABLE avatars DROP CONSTRAINT no_seven",
    ),
    **{
        code: (TRIGGER.format(code), "DROP TRIGGER refuse ON avatars")
        for code in ("P0001", "42501", "55000", "AV001", "XX000")
    },
}


@pytest.mark.parametrize("code", REFUSALS)
def test_a_row_that_the_database_refuses_is_named_and_holds_up_no_other(
    product: Product, flow: Flow, code: str
) -> None:
    refusal, fix = REFUSALS[code]
    copied(product, flow, 500)
    product.sql(refusal)
    with pytest.raises(Incomplete, match=f"1 row_refused(.|\n)*'image/7': {code}"):
        flow.switch()
    assert unswitched(product) == ["image/7"]
    product.sql(fix)
    flow.switch()
    assert unswitched(product) == []


def test_a_path_too_long_for_its_column_is_named(product: Product, flow: Flow) -> None:
    copied(product, flow, 100)
    product.sql("ALTER TABLE avatars ALTER path TYPE varchar(9)")
    with pytest.raises(Incomplete, match=r"1 row_refused(.|\n)*'image/100': 22001"):
        flow.switch()
    assert unswitched(product) == ["image/100"]


def test_the_object_of_a_refused_row_is_kept(product: Product, flow: Flow) -> None:
    product.seed("image/7", "image/8")
    product.row("image/7", "avatar/9")
    product.sql("ALTER TABLE avatars ADD CHECK (id <> 1 OR path = 'image/7')")
    account = flow.attempt()
    assert product.rows() == ["image/7", "avatar/8", "avatar/7", "avatar/9"]
    assert account is not None
    assert account.states == {"row_refused": 1, "moved": 1}
    assert set(product.objects("legacy")) == {"image/7"}


# -- a live table -------------------------------------------------------------------------------------------------


def page_of(product: Product, path: str) -> int:
    return int(product.sql("SELECT (ctid::text::point)[0]::int FROM avatars WHERE path = %s", path)[0][0])


@pytest.mark.usefixtures("small_batches")
def test_rows_that_an_update_moves_behind_the_pass_are_found(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(product, flow, 3000)
    product.sql("DELETE FROM avatars WHERE (ctid::text::point)[0] < 2")
    product.sql("VACUUM avatars")
    original, moves = switching._switch_pages, []

    def move(run: Any, ledger: Any, file: str, first: int, *rest: Any) -> int:
        if first > 2 and not moves:
            was = page_of(product, "image/2500")
            with other_connection(product) as app:  # one that has no page of its own to fill
                app.execute("UPDATE avatars SET path = path WHERE id BETWEEN 2450 AND 2550")
            moves.append((page_of(product, "image/2500"), first, was))
        return original(run, ledger, file, first, *rest)

    monkeypatch.setattr(switching, "_switch_pages", move)
    flow.switch()
    ((now, cursor, was),) = moves
    assert now < cursor < was, "the rows have not moved behind the pass"
    assert unswitched(product) == []


@pytest.mark.usefixtures("small_batches")
def test_the_application_goes_on_writing_and_wins(product: Product, flow: Flow) -> None:
    copied(product, flow, 4000)
    written: dict[int, str] = {}
    done = threading.Event()

    def application() -> None:
        with psycopg.connect(product.database_uri, autocommit=True) as app:
            for turn in range(1, 100_000):
                if done.is_set():
                    return
                row, path = 1 + turn * 37 % 4000, f"avatar/of-the-app-{turn}"
                app.execute("UPDATE avatars SET path = %s WHERE id = %s", (path, row))
                written[row] = path
                app.execute("UPDATE avatars SET path = path WHERE id = %s", [4001 - row])

    thread = threading.Thread(target=application)
    thread.start()
    flow.switch()
    done.set()
    thread.join()
    assert unswitched(product) == []
    rows = dict(product.sql("SELECT id, path FROM avatars"))
    assert written
    assert rows == {row: written.get(row, f"avatar/{row}") for row in range(1, 4001)}


@pytest.mark.usefixtures("small_batches")
def test_no_transaction_writes_more_rows_than_its_pages_hold(product: Product, flow: Flow) -> None:
    copied(product, flow, 3000)
    product.sql("UPDATE avatars SET path = 'other/' || id WHERE id <= 1000")
    on_a_page = product.sql(
        "SELECT max(n) FROM (SELECT count(*) AS n FROM avatars GROUP BY (ctid::text::point)[0]) AS p"
    )
    flow.switch()
    together = product.sql(
        "SELECT max(n) FROM (SELECT count(*) AS n FROM avatars WHERE path LIKE 'avatar/%%' GROUP BY xmin::text) AS t"
    )
    assert unswitched(product) == []
    assert together[0][0] <= 2 * on_a_page[0][0]


# -- cost ---------------------------------------------------------------------------------------------------------


def plan(product: Product, file: str, late: bool) -> str:
    """How PostgreSQL carries out one batch: the second page of the table."""
    (reference,) = product.declaration.references
    ledger = Ledger.connect(product.declaration).of_migration(1).of_run(1).of_reference(reference)
    known = {name: value for name, value in ledger.values.items() if name in takes(statement(file, **ledger.parts))}
    values = {**known, "first": "(1,0)", "last": "(2,0)", "late": late, "relation": None}
    with ledger.connection.transaction(force_rollback=True):
        explained = ledger.connection.execute(
            sql.SQL("EXPLAIN (ANALYZE, TIMING OFF, BUFFERS OFF) ") + statement(file, **ledger.parts), values
        )
        lines = [row["QUERY PLAN"] for row in explained]
    ledger.close()
    return "\n".join(lines)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("analysed", [False, True])
@pytest.mark.parametrize("file", ["switch_rows", "switch_unlocked_rows"])
def test_no_batch_reads_all_of_the_table_or_of_the_ledger(
    product: Product, flow: Flow, file: str, analysed: bool, late: bool
) -> None:
    """Whatever the planner believes: else the time would grow with the square of the rows."""
    copied(product, flow, 20_000)
    if analysed:
        product.sql("VACUUM ANALYZE avatars")
        product.sql("VACUUM ANALYZE s3_migration.ledger")
    found = plan(product, file, late)
    assert not re.search(r"Seq Scan|Join|Nested Loop", found), found
    scans = re.findall(r"(\w+ Range Scan|Seq Scan|Index Scan|Heap Scan)(?: using \w+)? on (avatars|ledger)\b", found)
    assert set(scans) <= {("Tid Range Scan", "avatars"), ("Index Scan", "ledger"), ("Heap Scan", "ledger")}
    read = [float(rows) for rows in re.findall(r"actual rows=([\d.]+)", found)]
    assert 100 < max(read) < 300, "a page's rows"


def test_a_transaction_lasts_a_second_at_most(product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that take their time: a slow trigger of the product. No page of 200 rows fits into a transaction."""
    copied(product, flow, 300)
    product.sql(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.01); RETURN new; END $$"
    )
    product.sql("CREATE TRIGGER slow BEFORE UPDATE ON avatars FOR EACH ROW EXECUTE FUNCTION slow()")
    lasted, batch = [], Ledger.batch

    @contextmanager
    def timed(ledger: Ledger) -> Iterator[None]:
        begun = time.monotonic()
        try:
            with batch(ledger):
                yield
        finally:
            lasted.append(time.monotonic() - begun)

    monkeypatch.setattr(Ledger, "batch", timed)
    flow.switch()
    assert unswitched(product) == []
    assert len(lasted) > 2
    assert max(lasted) < 1.5  # a second, and what the machine needs to notice
