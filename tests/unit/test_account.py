"""The account: what tables tally and timing say, in one place that a person reads and an XCom carries."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3_migration.model.account import ASLEEP, Account
from s3_migration.model.completion import LastRun, Rows, find_unfinished
from s3_migration.model.states import PROBLEMS, STATES

COUNTS = {"moved": 9_000, "waiting": 1, "failed": 2, "conflict": 3, "superseded": 4}
TALLIES = {
    ("list", "objects"): 10_000,
    ("list", "bytes"): 1_234_567,
    ("list", "already_there"): 100,
    ("list", "rows_to_switch"): 9_500,
    ("list", "unreferenced"): 500,
    ("list", "dangling"): 7,
    ("list", "conflict"): 3,
    ("copy", "copied"): 9_800,
    ("copy", "already_there"): 10,
    ("copy", "conflict"): 5,
    ("verify", "copied"): 2,
    ("delete", "copied"): 1,
    ("switch", "rows"): 9_400,
    ("verify", "rows"): 3,
    ("reconcile", "rows"): 2,
    ("reconcile", "rows_left"): 8,
    ("reconcile", "deleted"): 4,
    ("verify", "objects"): 9_890,
    ("delete", "deleted"): 9_001,
    ("list", "S3 ListObjectsV2 200"): 22,
    ("copy", "S3 CopyObject 200"): 9_803,
    ("verify", "S3 CopyObject 200"): 2,
    ("copy", "S3 CopyObject 503"): 4,
}
SECONDS = {"check": 0.123456, "list": 1.0, "copy": 9.804, "delete": 0.0}


def account(mode: str = "move", **changes: Any) -> Account:
    return Account.of(
        "avatars", "manual__1", mode, **{"states": COUNTS, "tallies": TALLIES, "seconds": SECONDS, **changes}
    )


def test_each_figure_is_the_sum_over_the_steps_that_do_it() -> None:
    made = account()
    assert (made.staged, made.bytes, made.already_there) == (10_000, 1_234_567, 110)
    assert (made.copied, made.rows_switched, made.verified, made.deleted) == (9_803, 9_405, 9_890, 9_005)
    assert (made.rows_to_switch, made.unreferenced, made.dangling, made.conflicts_forecast) == (9_500, 500, 7, 3)
    assert made.requests == {"ListObjectsV2 200": 22, "CopyObject 200": 9_805, "CopyObject 503": 4}
    assert made.seconds == {"check": 0.12, "list": 1.0, "copy": 9.8, "delete": 0.0}
    assert made.objects_per_second == pytest.approx(9_803 / 9.8)


def test_the_grace_period_counts_with_what_was_waited() -> None:
    tallies = {("grace", ASLEEP): 5_250, ("switch", "rows"): 3}
    made = account(tallies=tallies, seconds={"grace": 0.04, "switch": 1.0})
    assert made.seconds == {"grace": 5.29, "switch": 1.0}
    assert "grace 5.3" in made.as_text()


def test_every_kind_of_problem_is_named_even_where_there_is_none() -> None:
    assert account().problems == {"failed": 2, "conflict": 3, **dict.fromkeys(PROBLEMS[2:], 0)}
    assert set(account(states={}).problems.values()) == {0}


def test_a_person_reads_all_of_it() -> None:
    text = account().as_text()
    for part in [
        "run manual__1 of migration avatars, mode move",
        "listed         10,000 objects, 1,234,567 bytes",
        "already there  110 (production held the content",
        "copied         9,803 (1,000 objects/s)",
        "switched       9,405 rows; 8 rows of objects in scope still name a legacy path",
        "verified       9,890",
        "deleted        9,005",
        "unreferenced   500",
        "dangling       7",
        "in scope       9,010 objects = 3 conflict + 2 failed + 9,000 moved + 4 superseded + 1 waiting",
        "problems       5 objects = 3 conflict + 2 failed",
        "S3 requests    9,805 CopyObject 200, 4 CopyObject 503, 22 ListObjectsV2 200, of this run",
        "seconds        check 0.1, list 1.0, copy 9.8, delete 0.0",
    ]:
        assert part in text


@pytest.mark.parametrize(
    ("mode", "deleted", "states", "rows_left", "finished"),
    [
        ("move", 3, {"moved": 3}, 0, True),
        ("move", 3, {"moved": 3, "withdrawn": 1}, 0, True),
        ("move", 3, {"moved": 3, "waiting": 0, "failed": 0}, 0, True),
        ("move", 3, {"moved": 3, "dangling": 1}, 2, True),
        ("move", 3, {"moved": 3}, 1, False),
        ("move", 3, {"moved": 3, "withdrawn": 1}, 1, False),
        *(("move", 3, {"moved": 3, state: 1}, 0, False) for state in (*PROBLEMS, "listed", "copied")),
        ("move", 3, {"moved": 3, "waiting": 1}, 0, False),
        ("move", 3, {"moved": 5, "superseded": 1}, 0, True),
        ("move", 3, {"moved": 5, "superseded": 1}, 2, True),
        ("move", 0, {"moved": 3}, 0, False),
        ("move", 0, {}, 0, False),
        *((mode, 3, {"moved": 3}, 0, False) for mode in ("plan", "copy", "switch")),
    ],
)
def test_a_migration_is_finished_by_the_run_that_deletes_the_last_of_it(
    mode: str, deleted: int, states: dict[str, int], rows_left: int, finished: bool
) -> None:
    made = Account("avatars", "r", mode, deleted=deleted, states=states, rows_left=rows_left)
    assert made.finished is finished


@pytest.mark.parametrize(
    ("states", "acknowledged", "rows_left", "finished"),
    [
        ({"moved": 5, "conflict": 1}, 1, 1, True),
        ({"moved": 5, "conflict": 2}, 1, 0, False),
        ({"moved": 5, "conflict": 1, "copied": 1}, 1, 0, False),
        ({"moved": 5, "failed": 2, "row_refused": 1, "dangling": 1}, 3, 2, True),
    ],
)
def test_what_a_person_has_acknowledged_keeps_nothing_from_being_finished(
    states: dict[str, int], acknowledged: int, rows_left: int, finished: bool
) -> None:
    made = Account("a", "r", "move", deleted=3, states=states, rows_left=rows_left, acknowledged=acknowledged)
    assert made.finished is finished


@pytest.mark.parametrize(
    ("states", "acknowledged"),
    [
        ({"moved": 5, state: 2}, {state: number})
        for state in STATES
        for number in (range(3) if state in PROBLEMS else (0,))
    ],
)
def test_whoever_is_told_and_whoever_asks_are_told_the_same(
    states: dict[str, int], acknowledged: dict[str, int]
) -> None:
    told = Account("a", "r", "move", deleted=3, states=states, acknowledged=sum(acknowledged.values())).finished
    left = {state: number - acknowledged.get(state, 0) for state, number in states.items()}
    asked = find_unfinished(LastRun("r", "move", partial=False, ended=True), left, Rows(), [])
    assert told is (asked == [])


def test_a_plan_says_what_a_move_would_do() -> None:
    text = account("plan").as_text()
    for part in [
        "mode plan",
        "listed         10,000 objects = 110 already there + 3 conflicts + 9,887 to copy; 1,234,567 bytes",
        "to switch      9,500 rows",
        "conflicts      3 (production holds other content: their COPY is refused)",
        "unreferenced   500",
        "dangling       7",
        "S3 forecast    9,890 COPY, 70 LIST, 20 HEAD, 10 DELETE, for a move of all of it; each conflict counts with",
        "dollars        0.05 for requests",
        "hours          not observed yet: a canary run (limit 1000) shows it; at S3's 3,500 a second on one prefix",
    ]:
        assert part in text
    for part in ("deleted", "switched", "problems", "in scope", "staged"):
        assert part not in text


def test_a_forecast_is_a_plans_alone() -> None:
    assert account(observed=100.0).forecast == {}
    assert "hours" not in account(observed=100.0).as_text()
    made = account("plan", observed=100.0)
    assert made.forecast["observed_rate"] == 100
    assert "hours          0.03 to copy at the observed 100 objects/s; at S3's" in made.as_text()
    assert Account("avatars", "kept from an earlier version", "plan").as_text()


@pytest.mark.parametrize("mode", ["plan", "copy", "switch", "move"])
def test_nothing_to_do_is_an_account_too(mode: str) -> None:
    made = Account.of("avatars", "r", mode, {}, {}, {})
    assert (made.staged, made.copied, made.objects_per_second, made.requests) == (0, 0, 0.0, {})
    assert "S3 requests    none" in made.as_text()
    assert ("in scope       nothing" in made.as_text()) == (mode != "plan")


def sums(text: str) -> dict[str, tuple[int, dict[str, int]]]:
    """The lines that say `N objects = a this + b that`."""
    found = {}
    for line in text.splitlines():
        name, said = line[2:16].strip(), line[17:].partition(";")[0].partition(" (")[0]
        total, _, parts = said.partition(" object")
        if "=" in parts:
            kinds = (part.split(" ", 1) for part in parts.partition("= ")[2].split(" + "))
            found[name] = number(total), {kind: number(of) for of, kind in kinds}
    return found


def number(text: str) -> int:
    return int(text.replace(",", ""))


NUMBERS = st.integers(0, 10**9)


@given(st.dictionaries(st.sampled_from(sorted(STATES)), NUMBERS), st.sampled_from(["copy", "switch", "move", "undo"]))
def test_each_object_in_scope_is_of_one_state_and_each_problem_one_of_them(states: dict[str, int], mode: str) -> None:
    told = sums(account(mode, states=states).as_text())
    found = {state: objects for state, objects in states.items() if objects}
    wrong = {state: objects for state, objects in found.items() if state in PROBLEMS}
    assert told.get("in scope", (0, {})) == (sum(found.values()), found)
    assert told.get("problems", (0, {})) == (sum(wrong.values()), wrong)
    assert all(total == sum(parts.values()) for total, parts in told.values())


@given(NUMBERS, NUMBERS, NUMBERS)
def test_what_a_plan_has_listed_is_to_be_copied_or_there_or_in_conflict(to_copy: int, there: int, wrong: int) -> None:
    tallies = {
        ("list", "objects"): to_copy + there + wrong,
        ("list", "already_there"): there,
        ("list", "conflict"): wrong,
    }
    made = account("plan", tallies=tallies)
    if to_copy + there + wrong:
        total, parts = sums(made.as_text())["listed"]
        assert total == sum(parts.values()) == to_copy + there + wrong
        assert parts.get("to copy", 0) == to_copy
    assert made.forecast["requests"]["COPY"] == to_copy + wrong, "each COPY is of one of these"


@pytest.mark.parametrize("mode", ["plan", "move"])
def test_it_is_small_whatever_a_run_met(mode: str) -> None:
    operations = [
        "ListObjectsV2",
        "HeadObject",
        "GetObject",
        "CopyObject",
        "DeleteObject",
        "DeleteObjects",
        "UploadPartCopy",
    ]
    outcomes = ["200", "204", "403", "404", "409", "412", "500", "503", "ConnectionClosedError", "ReadTimeoutError"]
    many = 10**12
    steps = ["check", "list", "copy", "switch", "grace", "verify", "gate", "delete", "reconcile"]
    made = account(
        mode,
        observed=1234.567,
        states=dict.fromkeys([*PROBLEMS, *COUNTS], many),
        tallies={(step, f"S3 {a} {b}"): many for step, a, b in product(steps, operations, outcomes)},
        seconds=dict.fromkeys(steps, 12345.678),
    )
    carried = json.dumps(made.as_dict())
    assert len(carried) < 8 * 1024
    assert Account(**json.loads(carried)) == made
    assert len(made.as_text()) < 8 * 1024


def test_rows_are_counted_by_reference() -> None:
    tallies = {
        ("switch", "rows"): 5,
        ("switch", "rows of avatars.path"): 3,
        ("switch", "rows of users.badges[]"): 2,
        ("reconcile", "rows of users.badges[]"): 1,
        ("verify", "rows_left of avatars.path"): 9,  # as it was then
        ("reconcile", "rows_left of avatars.path"): 4,
    }
    account = Account.of("avatars", "run", "move", {}, tallies, {})
    assert account.references == {
        "avatars.path": {"switched": 3, "left": 4},
        "users.badges[]": {"switched": 3, "left": 0},
    }
    assert "avatars.path: 3; 4 left" in account.as_text()
    assert "users.badges[]: 3; 0 left" in account.as_text()
