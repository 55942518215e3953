"""Whether a migration is finished, and what is left of it where it is not. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from s3_migration.model.modes import Mode
from s3_migration.model.states import STATES

# Rows may go on naming the legacy path of these; the same of what was acknowledged.
ROWS_EXPLAINED = [name for name, state in STATES.items() if state.rows_may_name_legacy]
# What a state tells by itself is not told again of its rows, and of the object in legacy.
ROWS_TOLD = [
    name
    for name, state in STATES.items()
    if state.rows_may_name_legacy or not (state.final or name in {"copied", "waiting"})
]
LEGACY_TOLD = [name for name, state in STATES.items() if state.legacy_may_hold_it or not state.final]

_MOVE = "trigger a run with mode=move and no limit"
_PROBLEM = "fix or acknowledge them (docs/runbook.md#first-look), then move again"
_ROWS_OF = "whose object is copied or gone, or unknown to the ledger"
_SWITCH = f"{_MOVE}; if they come again, find who writes them"
_FIXES = {
    "listed": _MOVE,
    "copied": _MOVE,
    "waiting": "their grace period is not over: a move after that deletes them",
}
_HOW_TO_ANSWER = "docs/runbook.md#approving-a-deletion"
_FIXES_ASKED = {
    "listed": f"once that is answered, {_MOVE}",
    "copied": "what is proven of them is deleted once that is approved",
}


@dataclass(frozen=True)
class LastRun:
    """Of the runs that changed anything, or were to."""

    run_id: str
    mode: str
    partial: bool  # a canary or a slice
    ended: bool


@dataclass(frozen=True)
class Rows:
    """That name a legacy path for no reason that a state tells, and one of them."""

    rows: int = 0
    first: str | None = None


def unfinished_states(states: Mapping[str, int]) -> dict[str, int]:
    """The states, with their numbers of objects, that something is left to do about: by a run, or by a person.

    What is superseded, withdrawn or dangling no run can do anything about, and nobody has to.

    :param states: less those whose problem was acknowledged; or all, and then as many remain.
    """
    return {state: number for state, number in states.items() if number and not STATES[state].final}


def find_unfinished(
    last: LastRun | None, states: Mapping[str, int], rows: Rows, legacy: Sequence[str], *, asked: str | None = None
) -> list[str]:
    """What keeps the migration from being finished, each with how to go on.

    | last run                     | objects, less acknowledged problems | rows, legacy     | finished |
    | ---------------------------- | ----------------------------------- | ---------------- | -------- |
    | a whole move, at its end     | moved, withdrawn, dangling, superseded | all explained | yes      |
    | a canary, a slice, red early | any                                 | any              | no       |
    | of another mode, none        | any                                 | any              | no       |
    | any                          | any other                           | any              | no       |
    | any                          | any                                 | some unexplained | no       |

    :param states: objects by state, less those whose problem was acknowledged.
    :param legacy: the first keys that legacy holds for no reason that is known.
    :param asked: the run that waits for a person's word: until then no other is to be triggered.
    """
    fixes = _FIXES if asked is None else _FIXES | _FIXES_ASKED
    return [
        *(
            _left_by(last)
            if asked is None
            else [f"run {asked} waits for a person: approve or reject ({_HOW_TO_ANSWER})"]
        ),
        *(
            f"{number} objects are {state}: {fixes.get(state, _PROBLEM)}"
            for state, number in unfinished_states(states).items()
        ),
        *([f"{rows.rows} rows name a legacy path, e.g. {rows.first!r}, {_ROWS_OF}: {_SWITCH}"] * bool(rows.rows)),
        *(f"legacy holds {key!r}, which the ledger does not account for: {_MOVE}" for key in legacy[:1]),
    ]


def _left_by(last: LastRun | None) -> list[str]:
    if last is None:
        return [f"nothing has been moved yet: {_MOVE}"]
    if last.mode != Mode.MOVE.value:
        return [f"the last run that changed anything, {last.run_id}, was of mode {last.mode}: {_MOVE}"]
    if last.partial:
        return [f"the last run, {last.run_id}, took only a part of legacy: {_MOVE}"]
    if not last.ended:
        return [f"the last run, {last.run_id}, never came to its end: clear what is red of it"]
    return []
