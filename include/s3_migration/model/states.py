"""What can be said of an object: its state, its problem. Pure.

States, exactly one an object (view s3_migration.state derives them):

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
| still_referenced | yes | rows keep naming the legacy path although the copy is there |
| superseded |         | production was written (or removed, unnamed) after our copy; legacy is kept |
| withdrawn  |         | gone from legacy before it was copied, and no row names it |
| dangling   |         | a row names a legacy path that has no object anywhere |
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from s3_migration.model.modes import Mode

PROBLEMS = ("failed", "conflict", "damaged", "changed", "still_referenced")


class Step(Enum):
    """The steps after which something must be whole."""

    COPY = "copy"
    SWITCH = "switch"
    VERIFY = "verify"
    DELETE = "delete"


def incomplete_states(
    states: Mapping[str, int], mode: Mode, step: Step, *, remove_copies: bool = False
) -> dict[str, int]:
    """The states, with their numbers of objects, that keep a range from being whole up to and including `step`.

    :param remove_copies: an undo was asked to.
    """
    if mode.undoes:
        # What is not well in production is what people undo for.
        wrong = {"still_referenced"} if step is not Step.COPY else set()
        if step is Step.DELETE and remove_copies:
            wrong |= {"copied", "failed"}
    elif mode.copies:
        wrong = {*PROBLEMS, "listed"}
        if step is Step.DELETE and mode.deletes:
            wrong.add("copied")
    else:
        wrong = set()
    return {state: number for state, number in states.items() if state in wrong and number}
