"""list_legacy: slice by slice into the ledger, whatever kills it on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from botocore.exceptions import ClientError

from s3_migration.ledger import sample, staging
from s3_migration.ledger.connection import Ledger
from s3_migration.ledger.run import find_migration
from s3_migration.model.modes import Mode
from s3_migration.model.objects import S3Object
from s3_migration.model.run_request import Request
from s3_migration.s3.hook import BulkS3Hook
from s3_migration.s3.parallel_listing import Listed, NotInOrder
from s3_migration.steps import check, chunking, forecasting, inventory, listing, unlisted
from s3_migration.steps.run import ListingUnfinished, StoreRefused
from tests.support.flow import Flow, Killed, lapse
from tests.support.product import Product

MANY = 40


class Pages:
    """A store that lists a few objects a page, in lanes; counts the pages of legacy that were asked for."""

    def __init__(self, flow: Flow, monkeypatch: pytest.MonkeyPatch, size: int = 3) -> None:
        self.asked: list[str] = []
        hook = flow.hooks[0]
        whole = hook.transport.list_page
        self.refuses: Exception | None = None

        def list_page(bucket: str, prefix: str, after: str, token: str | None = None) -> Any:
            page = whole(bucket, prefix, token.removeprefix("after ") if token else after)
            if bucket != flow.declaration.legacy.bucket:
                return page
            if token and self.refuses:
                raise self.refuses
            self.asked.append(token or f"after {after}")
            more = page.token is not None or len(page.entries) > size
            entries = page.entries[:size]
            return type(page)(entries, f"after {entries[-1].key}" if more else None)

        for each in flow.hooks:
            monkeypatch.setattr(each.transport, "list_page", list_page)
        monkeypatch.setattr(inventory, "PAGES", 2)


def keys(product: Product) -> list[str]:
    made = [f"image/{number:03}.png" for number in range(MANY)]
    product.seed(*made)
    return made


def die(monkeypatch: pytest.MonkeyPatch, where: str, after: int) -> None:
    """The process is gone once so many slices are merged: before, or after, the next one is."""
    merge, merged = listing.merge, Counter[str]()

    def dying(*given: Any, **more: Any) -> None:
        if where == "before" and merged["slices"] == after:
            raise Killed
        merge(*given, **more)
        merged["slices"] += 1
        if where == "after" and merged["slices"] == after:
            raise Killed

    monkeypatch.setattr(listing, "merge", dying)


def list_and_die(flow: Flow, monkeypatch: pytest.MonkeyPatch, where: str = "after", slices: int = 3) -> None:
    with monkeypatch.context() as patched:
        die(patched, where, slices)
        with pytest.raises(Killed):
            flow.list()


def begin(flow: Flow, mode: Mode = Mode.MOVE, **asked: Any) -> None:
    flow.run_id, flow.red = "killed", {}
    assert check.check(flow.declaration, flow.run_id, Request(mode, **asked))


@pytest.mark.parametrize(
    ("where", "slices", "red"), [("before", 1, False), ("after", 1, False), ("before", 3, True), ("after", 3, False)]
)
def test_a_listing_that_is_killed_goes_on(
    product: Product,
    flow: Flow,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    where: str,
    slices: int,
    red: bool,
) -> None:
    caplog.set_level("INFO")
    there, pages = keys(product), Pages(flow, monkeypatch)
    begin(flow)
    list_and_die(flow, monkeypatch, where, slices)
    listed = product.sql("SELECT count(*) FROM s3_migration.ledger")[0][0]
    assert 0 < listed < MANY
    asked_before = Counter(pages.asked)
    pages.asked.clear()
    if red:  # for good: the last task has given the lease back, and a person clears what failed
        with pytest.raises(ListingUnfinished):
            flow.reconcile()
        assert product.sql("SELECT lease_run_no FROM s3_migration.migration") == [(None,)]
    flow.list()
    assert product.sql("SELECT count(*) FROM s3_migration.ledger") == [(MANY,)]
    again = Counter(pages.asked) & asked_before
    assert sum(again.values()) <= 2 * inventory.PAGES + 16, "the slices under way, and a page a lane"
    assert f"goes on: {listed} objects are listed already" in caplog.text
    account = flow.work_off(flow.tasks())
    assert not flow.red
    assert (account.staged, account.deleted, account.unreferenced) == (MANY, MANY, 0)
    assert product.rows() == [key.replace("image/", "avatar/") for key in there]
    assert product.sql("SELECT count(*) FROM s3_migration.lane") == [(0,)]


def test_it_begins_anew_where_another_run_was_at_work_meanwhile(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = keys(product)
    Pages(flow, monkeypatch)
    begin(flow)
    list_and_die(flow, monkeypatch)
    lapse(product)
    other = Flow(flow.declaration, flow.hooks)
    assert other.run(Mode.COPY).copied == MANY
    product.seed("image/000a.png")
    product.remove("legacy", there[-1])
    lapse(product)
    flow.list()
    account = flow.work_off(flow.tasks())
    assert account.staged == MANY, "one more, and one less"
    assert account.states == {"moved": MANY + 1}, flow.red


def test_a_cleared_check_begins_the_listing_anew(product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    keys(product)
    Pages(flow, monkeypatch)
    begin(flow)
    list_and_die(flow, monkeypatch)
    product.seed("image/000a.png")
    begin(flow)
    flow.list()
    assert product.sql("SELECT count(*) FROM s3_migration.ledger") == [(MANY + 1,)]


def test_a_token_that_the_store_has_forgotten_costs_one_more_try(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys(product)
    pages = Pages(flow, monkeypatch)
    begin(flow)
    list_and_die(flow, monkeypatch)
    pages.refuses = ClientError(
        {"Error": {"Code": "InvalidArgument", "Message": "the token"}, "ResponseMetadata": {"HTTPStatusCode": 400}},  # type: ignore[typeddict-item]
        "ListObjectsV2",
    )
    with pytest.raises(StoreRefused, match="InvalidArgument"):
        flow.list()
    pages.refuses = None
    flow.list()
    assert flow.work_off(flow.tasks()).deleted == MANY


@pytest.mark.parametrize("step", ["merge_unlisted", "ask_rows"])
def test_killed_after_its_last_slice_it_lists_nothing_again(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """What rows name is counted of all, also of what an earlier try has listed."""
    there = keys(product)
    product.put("legacy", "image/unnamed.png")
    pages = Pages(flow, monkeypatch)
    begin(flow)

    def dies(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(listing, step, dies)
        with pytest.raises(Killed):
            flow.list()
    pages.asked.clear()
    flow.list()
    assert pages.asked == []
    account = flow.work_off(flow.tasks())
    assert (account.staged, account.rows_to_switch, account.unreferenced) == (MANY + 1, len(there), 1)


@pytest.mark.parametrize("length", [1, 3, 7])
def test_chunks_are_drawn_some_keys_at_a_time(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    there = keys(product)
    monkeypatch.setattr(chunking, "SLICE", length)
    declaration = flow.declaration.model_copy(update={"chunk_size": 5})
    product.sql(
        "INSERT INTO s3_migration.run (migration_id, run_id, mode, grace_period) VALUES (1, 'earlier', 'move', '0')"
    )
    product.sql(  # what is nothing for a task, in between
        "INSERT INTO s3_migration.ledger (migration_id, legacy_key, legacy_etag, run_no) "
        "SELECT 1, 'image/' || lpad(n::text, 3, '0') || '.pnh', 'e', 1 FROM generate_series(0, 39, 3) AS n"
    )
    flow = Flow(declaration, flow.hooks)
    begin(flow, limit=MANY)
    flow.list()
    assert flow.chunks == list(range(1, 9))
    drawn = product.sql("SELECT first_key, last_key, objects FROM s3_migration.chunk ORDER BY chunk")
    assert drawn == [(there[first], there[first + 4], 5) for first in range(0, MANY, 5)]


def test_more_chunks_than_may_be_mapped_are_drawn_again(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that owns more than its listing found."""
    keys(product)
    monkeypatch.setattr(chunking, "MAX_CHUNKS", 4)
    monkeypatch.setattr(chunking, "chunk_length", lambda objects, _: max(1, -(-objects // 4)))
    with_few = flow.declaration.model_copy(update={"chunk_size": 1})
    flow = Flow(with_few, flow.hooks)
    begin(flow)
    monkeypatch.setattr(listing, "_found", lambda _: 8)
    flow.list()
    assert product.sql("SELECT count(*), sum(objects), max(objects) FROM s3_migration.chunk") == [(4, MANY, 10)]


@pytest.mark.parametrize("mode", [Mode.PLAN, Mode.COPY])
def test_of_many_objects_a_sample_tells_how_many_are_named(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch, mode: Mode
) -> None:
    named = [f"image/{number:03}.png" for number in range(300)]
    product.put_many("legacy", [f"image/unnamed-{number:03}.png" for number in range(300)] + named)
    product.row(*named)
    monkeypatch.setattr(sample, "MAX_SAMPLE", 150)
    account = flow.run(mode)
    assert account.staged == 600
    assert 200 < account.unreferenced < 400
    assert 200 < account.rows_to_switch < 400


def test_a_sample_takes_no_more_room_however_much_is_listed(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "MAX_SAMPLE", 500)
    flow.begin()
    with closing(Ledger.connect(flow.declaration)) as connected:
        migration = find_migration(connected, flow.declaration.name)
        assert migration is not None
        ledger = connected.of_migration(migration.migration_id).of_run(1)
        staging.create(ledger)
        made, sizes = sample.Sample(ledger), list[int]()
        for part in range(64):
            listed = [
                S3Object(f"image/{part:02}-{n:03}", 1, "e", "2026-01-01T00:00:00Z", "STANDARD") for n in range(500)
            ]
            staging.clear(ledger)
            staging.fill(ledger, "legacy", [listed])
            made.add()
            made.thin()
            size = ledger.connection.execute(
                "SELECT pg_total_relation_size('pg_temp.listed_sample') AS bytes"
            ).fetchone()
            sizes.append(size["bytes"] if size else 0)
        assert made.share <= sample.ALL // 32
        assert 100 <= made.count().objects <= 500
    assert sizes[-1] <= sizes[2] * 1.2


def test_a_plan_of_a_store_that_lists_in_another_order_counts_each_object_once(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keys(product)
    tried: list[bool] = []
    real: Callable[..., Any] = BulkS3Hook.list_from

    def unsorted(self: BulkS3Hook, *given: Any, in_order: bool = False, once: bool = False) -> Any:
        tried.append(in_order)
        for part in real(self, *given, in_order=in_order, once=once):
            yield Listed(part.entries[:7], part.place) if not in_order else part
            if once and not in_order:
                raise NotInOrder

    monkeypatch.setattr(BulkS3Hook, "list_from", unsorted)
    assert flow.run(Mode.PLAN).staged == MANY
    assert tried == [False, True]
    assert forecasting.__name__ in {record.name for record in caplog.records}


def test_what_a_died_run_deleted_is_found_some_pages_at_a_time(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = keys(product)
    monkeypatch.setattr(unlisted, "LEDGER_PAGES", 1)

    def dies() -> None:
        raise Killed

    with pytest.raises(Killed):
        flow.run(before_reconcile=dies)
    product.remove("production", there[0].replace("image", "avatar"))
    lapse(product)
    account = flow.attempt()
    assert account.states == {"damaged": 1, "moved": MANY - 1}
