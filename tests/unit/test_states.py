"""The decisions about an object, as complete truth tables."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError, SSLError

from s3_migration.model.copy_refusal import Verdict, judge_refusal
from s3_migration.model.error_codes import retryable
from s3_migration.model.modes import Mode
from s3_migration.model.objects import Version
from s3_migration.model.states import (
    OF_ROWS,
    PROBLEMS,
    STATES,
    STORED,
    TRANSITIONS,
    Act,
    Fact,
    Step,
    incomplete_states,
    may_follow,
    permits,
)
from s3_migration.s3.errors import error_code
from tests.support import ROOT

SAFETY = (ROOT / "docs" / "safety.md").read_text(encoding="utf-8")

# -- a refused copy -----------------------------------------------------------------------------------------------

WANTED = Version(3, "wanted")
EARLIER = Version(5, "earlier")  # our own copy of an older version
SOURCES = {
    "gone": None,
    "as it was": WANTED,
    "rewritten": Version(3, "rewritten"),
    "longer": Version(4, "longer"),
}
TARGETS = {
    "gone": None,
    "the same": WANTED,
    "same size": Version(3, "other"),
    "other": Version(4, "other"),
    "same etag only": Version(4, "wanted"),
    "earlier": EARLIER,
}
# (what the copy replaces, source, target): anything not named here is decided by the source alone.
VERDICTS = {
    (None, "gone"): Verdict.RETRY,
    (None, "the same"): Verdict.SAME,
    (None, "same size"): Verdict.COMPARE,
    (None, "other"): Verdict.CONFLICT,
    (None, "same etag only"): Verdict.CONFLICT,
    (None, "earlier"): Verdict.CONFLICT,
    ("earlier", "gone"): Verdict.RETRY,
    ("earlier", "the same"): Verdict.SAME,
    ("earlier", "same size"): Verdict.COMPARE,
    ("earlier", "other"): Verdict.SUPERSEDED,
    ("earlier", "same etag only"): Verdict.SUPERSEDED,
    ("earlier", "earlier"): Verdict.RETRY,
}


@pytest.mark.parametrize(("replaces", "source", "target"), product([None, "earlier"], SOURCES, TARGETS))
def test_what_a_refusal_means(replaces: str | None, source: str, target: str) -> None:
    by_source = {"gone": Verdict.GONE, "rewritten": Verdict.REWRITTEN, "longer": Verdict.REWRITTEN}
    expected = by_source.get(source) or VERDICTS[replaces, target]
    assert judge_refusal(WANTED, replaces, SOURCES[source], TARGETS[target]) is expected


def test_the_verdicts_that_stay_with_an_object_are_states() -> None:
    assert {Verdict.SUPERSEDED.value, Verdict.CONFLICT.value, *PROBLEMS} <= set(STATES)


# -- the table ----------------------------------------------------------------------------------------------------


def test_the_problems_are_those_that_turn_a_run_red() -> None:
    assert PROBLEMS == ("failed", "conflict", "damaged", "changed", "still_referenced", "row_refused", "misspelt")
    quiet = {"superseded", "unreferenced", "withdrawn", "dangling"}
    assert set(STORED) - set(PROBLEMS) == quiet
    assert {state for state, its in STATES.items() if its.final} == {"moved", *quiet}


def test_what_may_stay_in_legacy_for_good_is_kept_there_on_purpose() -> None:
    assert {state for state, its in STATES.items() if its.legacy_may_hold_it} == {"superseded", "unreferenced"}
    assert {state for state, its in STATES.items() if its.rows_may_name_legacy} == {"superseded", "dangling"}


CURRENT = frozenset({Fact.IN_LEGACY, Fact.HAS_COPY, Fact.OURS, Fact.CURRENT, Fact.PAST_GRACE})
# Of an object in legacy whose copy is current, and of one whose copy is of an older version: by state what may be done.
MAY = {
    None: {Act.SWITCH, Act.SWITCH_BACK, Act.COMPARE, Act.COMPARE_TO_UNDO, Act.DELETE, Act.REMOVE_COPY},
    "failed": {Act.COMPARE, Act.COMPARE_TO_UNDO},
    "changed": {Act.SWITCH_BACK, Act.COMPARE, Act.COMPARE_TO_UNDO, Act.REMOVE_COPY},
    "damaged": {Act.SWITCH_BACK, Act.COMPARE, Act.COMPARE_TO_UNDO},
    **{state: {Act.SWITCH, Act.SWITCH_BACK, Act.COMPARE, Act.COMPARE_TO_UNDO} for state in OF_ROWS},
}


@pytest.mark.parametrize(("problem", "act"), product([None, *STORED], Act))
def test_what_a_problem_permits(problem: str | None, act: Act) -> None:
    assert permits(act, problem, CURRENT) == (act in MAY.get(problem, set()))


# Each leaves alone what it is not sure of; any of these facts is enough to keep an object.
@pytest.mark.parametrize(
    ("holds", "instead"), [(Fact.IN_LEGACY, Fact.GONE), (Fact.HAS_COPY, Fact.NO_COPY), (Fact.CURRENT, Fact.OUTDATED)]
)
def test_legacy_loses_only_what_was_copied_as_it_is(holds: Fact, instead: Fact) -> None:
    assert not permits(Act.DELETE, None, CURRENT - {holds} | {instead})


OLDER = CURRENT - {Fact.CURRENT} | {Fact.OUTDATED}


@pytest.mark.parametrize("problem", [None, *STORED])
def test_what_has_no_copy_or_an_older_one_is_copied_whatever_its_problem(problem: str | None) -> None:
    for known in (OLDER, OLDER - {Fact.HAS_COPY} | {Fact.NO_COPY}):
        assert permits(Act.COPY, problem, known) == (problem is None or problem in PROBLEMS)
    assert not permits(Act.COPY, problem, OLDER - {Fact.IN_LEGACY} | {Fact.GONE})
    assert not permits(Act.COPY, problem, CURRENT)


# -- the docs -----------------------------------------------------------------------------------------------------


def in_words(states: Iterable[str | None]) -> str:
    return ", ".join(f"`{state}`" if state else "(new)" for state in (None, *STATES) if state in set(states))


def test_the_docs_have_the_table_of_states() -> None:
    lines = ["| state | problem | meaning |", "| --- | --- | --- |"]
    for state, its in STATES.items():
        lines.append(f"| `{state}` | {'yes ' if state in PROBLEMS else ''}| {its.meaning} |")
    assert "\n".join(lines) in SAFETY


def test_the_docs_have_the_table_of_transitions() -> None:
    lines = ["| what happens | from | to |", "| --- | --- | --- |"]
    lines += [f"| {each.why} | {in_words(each.before)} | {in_words(each.after)} |" for each in TRANSITIONS]
    assert "\n".join(lines) in SAFETY


@pytest.mark.parametrize(
    ("before", "after"),
    [
        *(("conflict", after) for after in ("moved", "damaged", "superseded", "still_referenced", "row_refused")),
        *(("withdrawn", after) for after in ("failed", "damaged", "changed", "superseded")),
        *(("superseded", after) for after in ("failed", "conflict", "changed", "still_referenced")),
        *(("copied", after) for after in ("conflict", "withdrawn", "dangling")),
        *(("moved", after) for after in ("failed", "withdrawn")),
        *((None, after) for after in ("failed", "damaged", "changed", "superseded", "withdrawn")),
        ("row_refused", "failed"),
        *(("unreferenced", after) for after in ("failed", "changed", "still_referenced", "row_refused")),
        *((before, "unreferenced") for before in (None, "moved", "failed", "conflict", "damaged", "superseded")),
    ],
)
def test_what_makes_no_sense_is_no_transition(before: str | None, after: str) -> None:
    assert not may_follow(before, after)


# -- the rule of red ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "step", "state"), product(Mode, Step, STATES))
def test_what_keeps_a_range_from_being_whole(mode: Mode, step: Step, state: str) -> None:
    # Rows are looked through for other spellings once they are switched.
    known = {"listed", *PROBLEMS} - (set() if step in {Step.VERIFY, Step.DELETE} else {"misspelt"})
    wrong = {
        Mode.PLAN: set[str](),
        Mode.COPY: known,
        Mode.SWITCH: known,
        Mode.MOVE: {*known, "copied"} if step is Step.DELETE else known,
        Mode.UNDO: {"still_referenced", "row_refused"} if step is not Step.COPY else set(),
    }[mode]
    assert incomplete_states({state: 7}, mode, step) == ({state: 7} if state in wrong else {})
    assert incomplete_states({state: 0}, mode, step) == {}


def test_an_undo_that_removes_copies_is_whole_once_they_are_gone() -> None:
    states = {"copied": 1, "failed": 2, "waiting": 3, "listed": 4, "conflict": 5, "damaged": 6}
    assert incomplete_states(states, Mode.UNDO, Step.DELETE, remove_copies=True) == {"copied": 1, "failed": 2}
    assert incomplete_states(states, Mode.UNDO, Step.VERIFY, remove_copies=True) == {}
    assert incomplete_states(states, Mode.UNDO, Step.DELETE) == {}


def test_all_that_is_wrong_is_named_with_its_number() -> None:
    states = {"moved": 5, "failed": 1, "listed": 2, "waiting": 3, "copied": 4}
    assert incomplete_states(states, Mode.MOVE, Step.COPY) == {"failed": 1, "listed": 2}
    assert incomplete_states(states, Mode.MOVE, Step.DELETE) == {"failed": 1, "listed": 2, "copied": 4}
    assert incomplete_states({}, Mode.MOVE, Step.DELETE) == {}


# -- what time can fix -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    ["SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "ConditionalRequestConflict", "500", "503"],
)
def test_time_mends(code: str) -> None:
    assert retryable(code)


@pytest.mark.parametrize(
    "code",
    [
        *(
            "AccessDenied",
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "NoSuchBucket",
            "NoSuchKey",
            "KeyTooLongError",
        ),
        *("403", "404", "PreconditionFailed", "InvalidObjectState", "Unknown", ""),
    ],
)
def test_a_person_mends(code: str) -> None:
    assert not retryable(code)


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="u"),
        ConnectTimeoutError(endpoint_url="u"),
        ReadTimeoutError(endpoint_url="u"),
        SSLError(endpoint_url="u", error="e"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_time_mends_what_had_no_answer(error: Exception) -> None:
    assert retryable(error_code(error))


# -- modes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "does"),
    [
        (Mode.PLAN, (False, False, False)),
        (Mode.COPY, (True, False, False)),
        (Mode.SWITCH, (True, True, False)),
        (Mode.MOVE, (True, True, True)),
    ],
)
def test_each_mode_does_all_that_the_one_before_it_does(mode: Mode, does: tuple[bool, bool, bool]) -> None:
    assert (mode.copies, mode.switches, mode.deletes) == does
