"""The nights: due at their time, made up for within an hour, and never started by unpausing a DAG."""

from __future__ import annotations

from datetime import timedelta

import pendulum
import pytest
from airflow.timetables import interval
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pendulum import DateTime

from s3_migration.ui import schedule
from s3_migration.ui.schedule import MADE_UP_FOR, NightlySchedule

ZURICH = "Europe/Zurich"
NIGHTS = NightlySchedule("0 2 * * *", timezone=ZURICH)
START = pendulum.datetime(2006, 1, 1, tz=ZURICH)
MOMENTS = st.integers(0, 2 * 365 * 24 * 60).map(lambda minutes: pendulum.datetime(2026, 1, 1).add(minutes=minutes))


def unpaused(
    monkeypatch: pytest.MonkeyPatch, now: DateTime, last: DataInterval | None = None, start: DateTime = START
) -> DagRunInfo:
    """What is due first of a DAG that is looked at now."""
    monkeypatch.setattr(schedule, "utcnow", lambda: now)
    monkeypatch.setattr(interval, "utcnow", lambda: now)
    restriction = TimeRestriction(earliest=start, latest=None, catchup=False)
    due = NIGHTS.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
    assert due is not None
    return due


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-05-10 14:00", "2026-05-11 02:00"),
        ("2026-05-10 03:01", "2026-05-11 02:00"),
        ("2026-05-10 03:00", "2026-05-10 02:00"),
        ("2026-05-10 02:00", "2026-05-10 02:00"),
        ("2026-05-10 01:59", "2026-05-10 02:00"),
    ],
)
@pytest.mark.parametrize("last", [None, "2026-04-01 02:00"])
def test_a_dag_that_is_unpaused_waits_for_the_next_night(
    monkeypatch: pytest.MonkeyPatch, now: str, due: str, last: str | None
) -> None:
    ended = pendulum.parse(last, tz=ZURICH) if last else None
    earlier = DataInterval(ended.subtract(days=1), ended) if isinstance(ended, DateTime) else None
    moment = pendulum.parse(now, tz=ZURICH)
    assert isinstance(moment, DateTime)
    assert unpaused(monkeypatch, moment, earlier).run_after == pendulum.parse(due, tz=ZURICH)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(now=MOMENTS)
def test_none_is_ever_due_for_longer_than_it_is_made_up_for(monkeypatch: pytest.MonkeyPatch, now: DateTime) -> None:
    due = unpaused(monkeypatch, now)
    assert now - MADE_UP_FOR <= due.run_after <= now + timedelta(hours=25)
    assert due.data_interval is not None
    assert due.data_interval.end == due.run_after
    following = unpaused(monkeypatch, due.run_after, due.data_interval)
    assert following.data_interval is not None
    assert following.data_interval.start == due.run_after


def test_a_start_in_the_future_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now, start = pendulum.datetime(2026, 5, 10, tz=ZURICH), pendulum.datetime(2026, 6, 1, tz=ZURICH)
    assert unpaused(monkeypatch, now, start=start).run_after == pendulum.datetime(2026, 6, 2, 2, tz=ZURICH)
