"""Backfills: an archive moved slice by slice, each by the time that its objects were last modified."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta, timezone

import pendulum
import pytest
from airflow.timetables.base import TimeRestriction

from s3_migration.model.modes import Mode
from s3_migration.model.objects import S3Object
from s3_migration.model.time_window import TimeWindow
from s3_migration.s3 import lookup
from s3_migration.s3.parallel_listing import Page
from s3_migration.s3.transport import CrtTransport
from s3_migration.ui.schedule import NightlySchedule
from tests.support.flow import Flow
from tests.support.product import Product

pytestmark = pytest.mark.declared(chunk_size=2, requests_in_flight=8)

MONTHS = [datetime(2025, month, 1, tzinfo=timezone.utc) for month in range(1, 6)]
SPANS = [TimeWindow(*pair) for pair in itertools.pairwise(MONTHS)]
SECOND = timedelta(seconds=1)
# The boundary instants, and what lies between them.
AGES = {
    "image/before.png": MONTHS[0] - SECOND,
    "image/first.png": MONTHS[0],
    "image/january.png": MONTHS[0] + timedelta(days=9),
    "image/last-second.png": MONTHS[1] - SECOND,
    "image/february.png": MONTHS[1],
    "image/april.png": MONTHS[4] - SECOND,
    "image/after.png": MONTHS[4],
}
SLICES = [
    {"image/first.png", "image/january.png", "image/last-second.png"},
    {"image/february.png"},
    set(),
    {"image/april.png"},
]


@pytest.fixture(autouse=True)
def _aged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store in which objects are as old as they need to be: no real one lets their age be set.

    Both sides are always listed: a HEAD would tell of the real age, as if legacy had been written since.
    """
    monkeypatch.setattr(lookup, "SPARSE", 0)
    real = CrtTransport.list_page

    def aged(transport: CrtTransport, *args: object, **kwargs: object) -> Page[S3Object]:
        page = real(transport, *args, **kwargs)  # type: ignore[arg-type]
        ages = {key: f"{age:%Y-%m-%dT%H:%M:%S}.000Z" for key, age in AGES.items()}
        return Page(
            [entry._replace(modified=ages.get(entry.key, entry.modified)) for entry in page.entries], page.token
        )

    monkeypatch.setattr(CrtTransport, "list_page", aged)


def test_slices_move_what_lies_in_them_and_their_union_is_the_whole(product: Product, flow: Flow) -> None:
    product.seed(*AGES)
    left = set(AGES)
    for span, keys in zip(SPANS, SLICES, strict=True):
        account = flow.run(time_window=span)
        assert (account.staged, account.copied, account.rows_switched, account.deleted) == (len(keys),) * 4
        left -= keys
        assert set(product.objects("legacy")) == left
        assert {path for path in product.rows() if path and path.startswith("image/")} == left
    assert left == {"image/before.png", "image/after.png"}
    account = flow.run()
    assert (account.staged, account.copied, account.deleted) == (2, 2, 2)
    assert product.objects("legacy") == {}


def test_a_slice_run_again_changes_nothing(product: Product, flow: Flow) -> None:
    product.seed(*AGES)
    flow.run(time_window=SPANS[0])
    again = flow.run(time_window=SPANS[0])
    assert (again.staged, again.copied, again.rows_switched, again.deleted) == (0, 0, 0, 0)


def test_a_slice_has_no_word_about_what_lies_outside_it(product: Product, flow: Flow) -> None:
    """Unfinished work of others, and rows without an object, are not its own: an absence that it did not look for."""
    product.seed(*AGES)
    product.row("image/nowhere.png")
    flow.run(Mode.COPY)
    before = product.problems()
    owners = dict(product.sql("SELECT legacy_key, run_no FROM s3_migration.ledger"))
    account = flow.run(time_window=SPANS[1])
    assert (account.staged, account.already_there, account.dangling) == (1, 1, 0)
    assert account.states == {"moved": 1}
    assert product.problems() == before
    now = dict(product.sql("SELECT legacy_key, run_no FROM s3_migration.ledger"))
    assert {key for key in now if now[key] != owners[key]} == {"image/february.png"}


def test_a_slice_that_is_cleared_takes_back_what_lies_in_it_and_no_more(product: Product, flow: Flow) -> None:
    product.seed(*AGES)
    product.put("production", "avatar/january.png", b"someone else's")
    flow.attempt(time_window=SPANS[0])
    assert set(product.objects("legacy")) == set(AGES) - SLICES[0] | {"image/january.png"}
    of_slice, chunks, red = flow.run_id, flow.chunks, dict(flow.red)
    flow.attempt(Mode.COPY)  # adopts what the slice left, and all the others
    product.remove("production", "avatar/january.png")
    flow.run_id, flow.chunks, flow.red = of_slice, chunks, red
    account = flow.clear_failed()
    assert not flow.red
    assert account.states == {"moved": 3}
    assert set(product.objects("legacy")) == set(AGES) - SLICES[0]


def test_intervals_adjoin_over_a_change_of_daylight_saving_time() -> None:
    """A night in Zurich in which an hour is missing, and one in which an hour comes twice."""
    timetable = NightlySchedule("0 2 * * *", timezone="Europe/Zurich")
    for first in (pendulum.datetime(2026, 3, 27, tz="UTC"), pendulum.datetime(2026, 10, 23, tz="UTC")):
        restriction = TimeRestriction(first, first.add(days=5), True)
        intervals = []
        last = None
        while info := timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction):
            last = info.data_interval
            intervals.append(last)
        assert len(intervals) >= 4
        assert all(one.end == other.start for one, other in itertools.pairwise(intervals))
        assert {(each.end - each.start).total_seconds() / 3600 for each in intervals} - {24.0}, "no change seen"
        spans = [TimeWindow(each.start, each.end) for each in intervals]
        moment = intervals[0].start
        while moment < intervals[-1].end:
            text = moment.in_timezone("UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
            assert sum(span.holds(text) for span in spans) == 1
            moment = moment.add(minutes=7)
