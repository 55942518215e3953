"""The bars of a run's page: never more than all of it, in every mode, whatever was counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3_migration.model.modes import Mode
from s3_migration.model.run_bars import Bar, Progress

TALLIES = st.dictionaries(
    st.sampled_from(
        [
            ("list", "objects"),
            ("list", "already_there"),
            ("list", "rows_to_switch"),
            ("copy", "copied"),
            ("copy", "already_there"),
            ("switch", "rows"),
            ("verify", "objects"),
            ("delete", "deleted"),
            ("delete", "removed"),
        ]
    ),
    st.integers(0, 10**9),
)
BARS = {
    Mode.PLAN: ["listed"],
    Mode.COPY: ["listed", "copied", "verified"],
    Mode.SWITCH: ["listed", "copied", "switched", "verified"],
    Mode.MOVE: ["listed", "copied", "switched", "verified", "deleted"],
    Mode.UNDO: ["listed", "switched back", "verified"],
}


@given(
    st.sampled_from(list(Mode)), TALLIES, st.booleans(), st.booleans(), st.booleans(), st.integers(0, 10**9), st.data()
)
def test_what_is_done_is_never_more_than_all(
    mode: Mode,
    tallies: dict[tuple[str, str], int],
    listed: bool,
    switched: bool,
    verified: bool,
    chunks: int,
    data: st.DataObject,
) -> None:
    compared = data.draw(st.integers(0, chunks))
    capped = {**tallies, ("verify", "objects"): min(tallies.get(("verify", "objects"), 0), chunks)}
    bars = Progress(
        mode, False, listed, switched, verified, capped, {"copy": 2.0}, frozenset({"copy"}), chunks, compared
    ).bars()
    assert [bar.name for bar in bars] == BARS[mode]
    assert all(bar.total is None or 0 <= bar.done <= bar.total for bar in bars)
    assert all(bar.seconds_left is None or bar.seconds_left >= 0 for bar in bars)


def test_what_production_held_before_makes_no_step_look_faster() -> None:
    tallies = {("list", "objects"): 1_000, ("list", "already_there"): 900, ("copy", "copied"): 50}
    bars = Progress(Mode.COPY, False, True, False, False, tallies, {"copy": 10.0}, frozenset({"copy"}), 1_000, 0).bars()
    (copied,) = [bar for bar in bars if bar.name == "copied"]
    assert (copied.done, copied.total, copied.rate, copied.seconds_left) == (950, 1_000, 5.0, 10.0)


@pytest.mark.parametrize(("at_work", "left"), [(True, 90.0), (False, None)])
def test_only_what_is_at_work_has_time_left(at_work: bool, left: float | None) -> None:
    assert Bar("copied", "copy", "objects", 10, 100, 10, 10.0, at_work).seconds_left == left
