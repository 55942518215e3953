"""What can be said of an object: its state, its problem, and what a store's refusal means. Pure.

States, exactly one an object (`include/sql/count_states.sql` derives them):

| state      | problem | meaning |
| ---------- | ------- | ------- |
| listed     |         | in legacy, not copied yet |
| copied     |         | production holds our copy; legacy still holds the object |
| waiting    |         | as copied, its grace period is not over: a later run deletes it |
| moved      |         | production holds our copy and legacy is empty |
| failed     | yes     | refused after retries; the detail has the error code |
| conflict   | yes     | production holds someone else's content under the key: nothing is touched |
| damaged    | yes     | our copy is gone while a row names it, or differs though nothing wrote it later |
| changed    | yes     | legacy was rewritten since the copy |
| named      | yes     | rows keep naming the legacy path although the copy is there |
| superseded |         | production was written (or removed, unnamed) after our copy; legacy is kept |
| withdrawn  |         | gone from legacy before it was copied, and no row names it |
| dangling   |         | a row names a legacy path that has no object anywhere |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from include.modes import Mode

PROBLEMS = ("failed", "conflict", "damaged", "changed", "named")

# S3 and network errors that time can mend: worth a retry of the task. Any other wants a person.
_TRANSIENT = frozenset(
    {
        "SlowDown",
        "ServiceUnavailable",
        "InternalError",
        "RequestTimeout",
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "RequestTimeTooSkewed",
        "OperationAborted",
        "ConditionalRequestConflict",
        "ConnectionError",
        "NoAnswer",
        "500",
        "502",
        "503",
        "504",
    }
)


def transient(code: str) -> bool:
    """Whether waiting may mend the error."""
    return code in _TRANSIENT


@dataclass(frozen=True)
class Version:
    """One content of a key: its size in bytes and its ETag without quotes."""

    size: int
    etag: str


class Verdict(Enum):
    """What to do when a conditional copy was refused."""

    GONE = "gone"  # the source is no more
    REWRITTEN = "rewritten"  # the source is another one by now: copy that
    RETRY = "retry"  # both look as expected again: the other party was faster to undo it than we to look
    SAME = "same"  # production holds this very content
    COMPARE = "compare"  # same size, other ETag (multipart, KMS): only the bytes can tell
    SUPERSEDED = "superseded"  # production was written after our copy
    CONFLICT = "conflict"  # someone else's content


def after_refusal(
    wanted: Version, replaces: str | None, source: Version | None, destination: Version | None
) -> Verdict:
    """Judge a refused copy of `wanted` by what both sides hold now.

    :param replaces: ETag of our own earlier copy, which this one was to replace; None: nothing was to be there.
    """
    if source is None:
        return Verdict.GONE
    if source.etag != wanted.etag:
        return Verdict.REWRITTEN
    if destination is None or destination.etag == replaces:
        return Verdict.RETRY
    if destination == source:
        return Verdict.SAME
    if destination.size == source.size:
        return Verdict.COMPARE
    return Verdict.CONFLICT if replaces is None else Verdict.SUPERSEDED


class Step(Enum):
    """The steps after which something must be whole."""

    COPY = "copy"
    SWITCH = "switch"
    VERIFY = "verify"
    DELETE = "delete"


def unwhole(states: Mapping[str, int], mode: Mode, step: Step, *, removes_copies: bool = False) -> dict[str, int]:
    """The states, with their numbers of objects, that keep a range from being whole up to and including `step`.

    :param removes_copies: an undo was asked to.
    """
    if mode.undoes:
        # What is not well in production is what people undo for.
        wrong = {"named"} if step is not Step.COPY else set()
        if step is Step.DELETE and removes_copies:
            wrong |= {"copied", "failed"}
    elif mode.copies:
        wrong = {*PROBLEMS, "listed"}
        if step is Step.DELETE and mode.deletes:
            wrong.add("copied")
    else:
        wrong = set()
    return {state: number for state, number in states.items() if state in wrong and number}
