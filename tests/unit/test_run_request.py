"""Run params: what is asked for, and what means nothing."""

from __future__ import annotations

import itertools
import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3_migration.model.modes import Mode
from s3_migration.model.run_params import run_params
from s3_migration.model.run_request import BadRequest, Request
from s3_migration.model.time_window import TimeWindow
from tests.support import ROOT
from tests.support.product import declare

JANUARY = datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2026, 2, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"mode": "delete"}, ["mode 'delete'", "plan, copy, switch, move, undo"]),
        ({"mode": "MOVE"}, ["mode 'MOVE'"]),
        ({"mode": ""}, ["mode ''"]),
        ({"mode": 0}, ["mode 0"]),
        ({"mode": ["move"]}, ["mode ['move']"]),
        ({"limit": 0}, ["limit 0", "from 1"]),
        ({"limit": -1}, ["limit -1"]),
        ({"limit": "x"}, ["limit 'x'"]),
        ({"limit": "5"}, ["limit '5'"]),
        ({"limit": True}, ["limit True"]),
        ({"limit": 1.5}, ["limit 1.5"]),
        ({"lmit": 5, "Mode": "plan"}, ["params Mode, lmit", "known are mode, limit"]),
        ({"window": "today"}, ["window 'today'", "auto, all, data_interval"]),
        ({"window": "data_interval"}, ["no data interval", "backfill"]),
        ({"grace_period": "24"}, ["grace_period '24'", "with its unit"]),
        ({"grace_period": 24}, ["grace_period 24"]),
        ({"acknowledge": "all"}, ["acknowledge 'all'", "failed, conflict"]),
        ({"acknowledge": {"image/a.png": " "}}, ["acknowledge", "reasons"]),
        ({"acknowledge": {"image/a.png": "known"}, "mode": "plan"}, ["mode plan changes nothing"]),
        ({"remove_copies": "no"}, ["remove_copies 'no'", "true or false"]),
        ({"remove_copies": True}, ["remove_copies belongs to mode undo, not to move"]),
    ],
    ids=str,
)
def test_what_means_nothing_is_refused(params: dict[str, Any], says: list[str]) -> None:
    with pytest.raises(BadRequest) as caught:
        Request.of(params, declare())
    for part in ["Migration avatars: ", "Nothing was touched. Trigger a new run", *says]:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("params", "request_"),
    [
        ({}, Request(Mode.MOVE)),
        ({"mode": None, "limit": None, "acknowledge": None, "grace_period": None}, Request(Mode.MOVE)),
        ({"mode": "plan", "limit": 1}, Request(Mode.PLAN, 1)),
        ({"grace_period": "15m"}, Request(Mode.MOVE, grace_period=timedelta(minutes=15))),
        ({"acknowledge": {"conflict": "known"}}, Request(Mode.MOVE, acknowledge={"conflict": "known"})),
        ({"mode": "undo", "remove_copies": True}, Request(Mode.UNDO, remove_copies=True)),
        *(({"mode": mode.value}, Request(mode)) for mode in Mode),
    ],
    ids=str,
)
def test_a_run_by_hand_does_what_it_is_asked(params: dict[str, Any], request_: Request) -> None:
    assert Request.of(params, declare()) == request_


def test_a_whole_number_is_one_however_json_writes_it() -> None:
    assert repr(Request.of({"limit": 5.0}, declare()).limit) == "5"


def test_the_table_of_the_docs_has_the_params_and_their_defaults() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (.*?) \| (.*) \|$", (ROOT / "docs" / "operate.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    params = run_params(declare())
    assert [name for name, _, _ in rows] == [param.name for param in params]
    for (_, default, meaning), param in zip(rows, params, strict=True):
        wanted = {None: {"none", "as declared"}, False: {"false"}}.get(param.default, {f"`{param.default}`"})
        assert default in wanted, param.name
        for value in {*param.schema.get("enum", ())} - {param.default}:
            assert f"`{value}`" in meaning, param.name


def test_every_default_is_a_value_that_is_accepted() -> None:
    for param in run_params(declare()):
        assert param.accepts(param.default), param.name


@pytest.mark.parametrize("mode", [mode for mode in Mode if not mode.undoes])
def test_a_scheduled_run_does_what_the_declaration_says_to_all_objects(mode: Mode) -> None:
    params = {"mode": "move", "limit": 7}  # the params' defaults are for runs by hand
    declared = declare(scheduled_mode=mode.value)
    assert Request.of(params, declared, run_type="scheduled", interval=JANUARY) == Request(mode)


@pytest.mark.parametrize(
    ("run_type", "window", "sliced"),
    [
        ("backfill", "auto", True),
        ("backfill", "all", False),
        ("backfill", "data_interval", True),
        ("manual", "auto", False),
        ("manual", "all", False),
        ("manual", "data_interval", True),
        ("asset_triggered", "auto", False),
    ],
)
def test_which_runs_take_a_slice(run_type: str, window: str, sliced: bool) -> None:
    made = Request.of({"window": window}, declare(), run_type=run_type, interval=JANUARY)
    assert made.time_window == (TimeWindow(*JANUARY) if sliced else None)


@pytest.mark.parametrize("interval", [None, (JANUARY[0], JANUARY[0]), JANUARY[::-1]])
def test_a_backfill_without_an_interval_is_refused_rather_than_taking_all(interval: Any) -> None:
    with pytest.raises(BadRequest, match="no data interval"):
        Request.of({}, declare(), run_type="backfill", interval=interval)


# -- spans --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("modified", "held"),
    [
        ("2025-12-31T23:59:59.999Z", False),
        ("2026-01-01T00:00:00Z", True),
        ("2026-01-01T00:00:00.000Z", True),
        ("2026-01-31T23:59:59Z", True),
        ("2026-01-31T23:59:59.999Z", True),
        ("2026-02-01T00:00:00Z", False),
        ("2026-02-01T00:00:00.000Z", False),
    ],
)
def test_a_span_holds_its_start_and_not_its_end(modified: str, held: bool) -> None:
    assert TimeWindow(*JANUARY).holds(modified) is held


times = st.datetimes(datetime(2025, 1, 1), datetime(2025, 1, 3), timezones=st.just(timezone.utc))


@given(st.lists(times, min_size=2, max_size=6, unique=True), times, st.booleans())
def test_spans_that_adjoin_share_nothing_and_leave_nothing_out(
    bounds: list[datetime], modified: datetime, fine: bool
) -> None:
    """Whatever the fraction of a bound, and of an object's time."""
    bounds.sort()
    text = modified.strftime("%Y-%m-%dT%H:%M:%S") + (f".{modified.microsecond // 1000:03}Z" if fine else "Z")
    spans = [TimeWindow(*pair) for pair in itertools.pairwise(bounds)]
    assert sum(span.holds(text) for span in spans) == TimeWindow(bounds[0], bounds[-1]).holds(text)
