"""The decisions about an object, as complete truth tables."""

from __future__ import annotations

from itertools import product

import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError, SSLError

from s3_migration.model import states as kinds
from s3_migration.model.copy_refusal import Verdict, judge_refusal
from s3_migration.model.error_codes import retryable
from s3_migration.model.modes import Mode
from s3_migration.model.objects import Version
from s3_migration.model.states import PROBLEMS, Step, incomplete_states
from s3_migration.s3.errors import error_code

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


def test_the_verdicts_that_stay_with_an_object_are_kinds() -> None:
    documented = {line.split("|")[1].strip() for line in str(kinds.__doc__).splitlines() if line.startswith("|")}
    assert {Verdict.SUPERSEDED.value, Verdict.CONFLICT.value, *PROBLEMS} <= documented


# -- the rule of red ----------------------------------------------------------------------------------------------

STATES = (*PROBLEMS, "listed", "copied", "waiting", "moved", "superseded", "withdrawn", "dangling")


def test_every_documented_state_is_in_the_truth_table() -> None:
    rows = [line.split("|") for line in str(kinds.__doc__).splitlines() if line.startswith("| ")]
    documented = {row[1].strip(): row[2].strip() for row in rows if row[1].strip().strip("-") not in {"state", ""}}
    assert set(documented) == set(STATES)
    assert {state for state, problem in documented.items() if problem == "yes"} == set(PROBLEMS)


@pytest.mark.parametrize(("mode", "step", "state"), product(Mode, Step, STATES))
def test_what_keeps_a_range_from_being_whole(mode: Mode, step: Step, state: str) -> None:
    wrong = {
        Mode.PLAN: set[str](),
        Mode.COPY: {*PROBLEMS, "listed"},
        Mode.SWITCH: {*PROBLEMS, "listed"},
        Mode.MOVE: {*PROBLEMS, "listed", "copied"} if step is Step.DELETE else {*PROBLEMS, "listed"},
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
