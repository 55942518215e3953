"""The one table of what can be said of an object: its states, what each permits, what may follow. Pure.

* STATES: what each state means, whether it turns a run red, whether it may last for good.
* RULES: what may be done to an object: by what the ledger knows of it (facts), and despite which problems.
* TRANSITIONS: which state may follow which, and why. The flow tests' database refuses every other.

The SQL comes from here: every statement's predicate, the view s3_migration.state and the ledger's list of problems
(ledger/predicates.py). docs/safety.md is checked against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from s3_migration.model.modes import Mode


class Step(Enum):
    """The steps after which something must be complete, in their order."""

    COPY = "copy"
    SWITCH = "switch"
    VERIFY = "verify"
    DELETE = "delete"


_ORDER = list(Step)


# -- the states ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """Exactly one an object."""

    meaning: str
    stored: bool = True  # in the ledger's column `problem`; the others follow from the facts (DERIVED)
    red_from: Step | None = None  # a run that copies is incomplete with it from this step on
    undo_red_from: Step | None = None  # so is an undo
    final: bool = False  # it may last for good: no run can do anything about it, and nobody has to
    rows_may_name_legacy: bool = False  # for good; so may those of an acknowledged problem
    legacy_may_hold_it: bool = False  # for good; the same


STATES: Mapping[str, State] = {
    "listed": State("in legacy, not copied yet", stored=False, red_from=Step.COPY),
    # From the deletion on, where the run deletes at all: legacy objects, or with an undo our copies.
    "copied": State(
        "production holds our copy; legacy still holds the object",
        stored=False,
        red_from=Step.DELETE,
        undo_red_from=Step.DELETE,
    ),
    "waiting": State("as `copied`, its grace period is not over: a later run deletes it", stored=False),
    "moved": State("production holds our copy and legacy is empty", stored=False, final=True),
    "failed": State(
        "refused by the store after retries; `error_code` says why", red_from=Step.COPY, undo_red_from=Step.DELETE
    ),
    "conflict": State("production holds someone else's content under the key: nothing is touched", red_from=Step.COPY),
    "damaged": State(
        "our copy is gone while a row names it, or differs though nothing wrote it later. Stops all deletion",
        red_from=Step.COPY,
    ),
    "changed": State("legacy was rewritten since the copy", red_from=Step.COPY),
    "still_referenced": State(
        "rows keep naming the legacy path although the copy is there: the application writes it",
        red_from=Step.COPY,
        undo_red_from=Step.SWITCH,
    ),
    # Apart from the one before: a person changes the database and not the application, and waiting settles nothing.
    "row_refused": State(
        "the database refuses to switch a row; `error_code` is the SQLSTATE",
        red_from=Step.COPY,
        undo_red_from=Step.SWITCH,
    ),
    "misspelt": State(
        "a row names it in a spelling that is not the declared one; `detail` has the row and what makes them match",
        red_from=Step.VERIFY,
    ),
    "superseded": State(
        "production was written (or removed, unnamed) after our copy; legacy is kept",
        final=True,
        rows_may_name_legacy=True,
        legacy_may_hold_it=True,
    ),
    "unreferenced": State(
        "no row names it, and `unreferenced: keep` is declared: it stays where it is",
        final=True,
        legacy_may_hold_it=True,
    ),
    "withdrawn": State("gone from legacy before it was copied, and no row names it", final=True),
    "dangling": State("a row names a legacy path that has no object anywhere", final=True, rows_may_name_legacy=True),
}

# What turns a run red wherever it is found, unless a person has acknowledged it.
PROBLEMS = tuple(name for name, state in STATES.items() if state.stored and state.red_from)
# Where docs/runbook.md says what to do about an object: its anchors. Of several states the first counts.
RUNBOOK = {
    "damaged": "verify_copies-is-red",
    "conflict": "conflict",
    "row_refused": "switch_paths-is-red-or-retries",
    "misspelt": "verify_copies-is-red",
    "still_referenced": "reconcile-waits-or-is-red",
    "failed": "copy_chunk-is-red",
    "changed": "copy_chunk-is-red",
    "listed": "copy_chunk-is-red",
    "copied": "delete_chunk-is-red",
}
# All that column `problem` may hold.
STORED = tuple(name for name, state in STATES.items() if state.stored)
# Of these `error_code` says why; of no other.
WITH_CODE = ("failed", "row_refused")
# Rows name the path that the run switches from, though it may be switched.
UNSWITCHED = ("still_referenced", "row_refused")
# Of the rows, which no look at the stores ends.
OF_ROWS = (*UNSWITCHED, "misspelt")


def incomplete_states(
    states: Mapping[str, int], mode: Mode, step: Step, *, remove_copies: bool = False
) -> dict[str, int]:
    """The states, with their numbers of objects, that keep a range from being complete up to and including `step`.

    :param remove_copies: an undo was asked to.
    """
    deletes = remove_copies if mode.undoes else mode.deletes

    def wrong(state: State) -> bool:
        # What is not well in production is what people undo for.
        since = state.undo_red_from if mode.undoes else state.red_from if mode.copies else None
        return since is not None and _ORDER.index(since) <= _ORDER.index(step) and (since is not Step.DELETE or deletes)

    return {state: number for state, number in states.items() if number and wrong(STATES[state])}


# -- what may be done ---------------------------------------------------------------------------------------------


class Fact(Enum):
    """What the ledger knows of an object, whatever its problem: of each pair one holds."""

    IN_LEGACY = "legacy was seen to hold it"
    GONE = "legacy was seen or made empty of it"
    HAS_COPY = "production is known to hold what its rows may name"
    NO_COPY = "it is not"
    OURS = "that is a copy that we made, or the same content"
    NOT_OURS = "it is another's, or nothing is known"
    CURRENT = "of the version that legacy holds"
    OUTDATED = "of an older one, or none"
    IN_GRACE = "its grace period is not over"
    PAST_GRACE = "it is, or none is to be kept"


class Act(Enum):
    """What the steps do to an object, or its rows."""

    COPY = "copy it to production"
    SWITCH = "point its rows at production"
    SWITCH_BACK = "point its rows at legacy: an undo"
    COMPARE = "hold its copy against what both sides hold"
    COMPARE_TO_UNDO = "the same, by an undo"
    DELETE = "delete it from legacy"
    REMOVE_COPY = "delete our copy from production: an undo that was asked to"


@dataclass(frozen=True)
class Rule:
    """When an act is permitted: of each of `needs` a fact holds, and it has no problem but one of `despite`."""

    needs: tuple[frozenset[Fact], ...]
    despite: tuple[str, ...] = ()


def _needs(*facts: Fact | tuple[Fact, ...]) -> tuple[frozenset[Fact], ...]:
    return tuple(frozenset(fact if isinstance(fact, tuple) else (fact,)) for fact in facts)


# What is not of the object is asked beside it: the run's proof, lease and grace period (find_deletable.sql, gate.sql).
RULES: Mapping[Act, Rule] = {
    Act.COPY: Rule(_needs(Fact.IN_LEGACY, (Fact.NO_COPY, Fact.OUTDATED)), despite=PROBLEMS),
    Act.SWITCH: Rule(_needs(Fact.HAS_COPY, (Fact.GONE, Fact.CURRENT)), despite=OF_ROWS),
    Act.SWITCH_BACK: Rule(_needs(Fact.HAS_COPY, Fact.IN_LEGACY), despite=(*OF_ROWS, "changed", "damaged")),
    # A deletion that was refused keeps its reason, until a proof is taken (compare.sql).
    Act.COMPARE: Rule(
        _needs(Fact.HAS_COPY, (Fact.GONE, Fact.CURRENT)), despite=(*OF_ROWS, "changed", "damaged", "failed")
    ),
    Act.COMPARE_TO_UNDO: Rule(_needs(Fact.HAS_COPY), despite=(*OF_ROWS, "changed", "damaged", "failed")),
    Act.DELETE: Rule(_needs(Fact.IN_LEGACY, Fact.HAS_COPY, Fact.CURRENT)),
    # Legacy holds the object, which the product may rewrite by now.
    Act.REMOVE_COPY: Rule(_needs(Fact.IN_LEGACY, Fact.HAS_COPY, Fact.OURS), despite=("changed",)),
}

# The state of an object without a problem: the first of these whose facts all hold.
DERIVED: tuple[tuple[str, tuple[Fact, ...]], ...] = (
    ("listed", (Fact.NO_COPY,)),
    ("moved", (Fact.GONE,)),
    ("listed", (Fact.OUTDATED,)),
    ("waiting", (Fact.IN_GRACE,)),
    ("copied", ()),
)


def permits(act: Act, problem: str | None, facts: frozenset[Fact]) -> bool:
    """Whether the act is permitted, of an object with this problem (or none) of which these facts hold."""
    rule = RULES[act]
    return (problem is None or problem in rule.despite) and all(facts & need for need in rule.needs)


def state_of(problem: str | None, facts: frozenset[Fact]) -> str:
    """The one state of an object."""
    return problem or next(state for state, needed in DERIVED if facts.issuperset(needed))


# -- what may follow ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Transition:
    """Something that happens, and the states (`waiting` counts as `copied`) before and after it."""

    why: str
    before: frozenset[str | None]  # None: the ledger did not know it
    after: frozenset[str]


def _transition(why: str, before: str, after: str) -> Transition:
    return Transition(
        why, frozenset(None if name == "-" else name for name in before.split()), frozenset(after.split())
    )


TRANSITIONS = (
    _transition("first listed", "-", "listed copied conflict"),
    _transition("a row names it, and legacy never held it", "-", "moved dangling"),
    _transition(
        "listed again, and judged again by what production holds",
        "listed copied moved failed damaged changed still_referenced row_refused misspelt superseded dangling",
        "listed copied damaged superseded",
    ),
    _transition(
        "listed again, and nothing of ours is in production",
        "listed moved failed conflict damaged changed misspelt withdrawn dangling",
        "listed copied conflict",
    ),
    _transition("gone from legacy, never copied", "listed failed conflict damaged changed misspelt", "withdrawn"),
    _transition(
        "gone from legacy, copied before", "listed copied failed changed still_referenced row_refused misspelt", "moved"
    ),
    _transition(
        "gone from legacy, and a row names it",
        "moved damaged still_referenced row_refused misspelt superseded withdrawn dangling",
        "moved dangling",
    ),
    _transition("the same, and production holds another content", "withdrawn dangling", "conflict"),
    _transition(
        "the same, and our copy is gone as well",
        "moved damaged still_referenced row_refused misspelt superseded",
        "damaged",
    ),
    _transition("its copy is gone: the rows decide", "damaged", "listed moved superseded"),
    _transition(
        "a copy was tried",
        "listed failed conflict damaged changed misspelt",
        "copied failed conflict changed withdrawn",
    ),
    _transition("a copy over our older one was tried", "listed failed damaged changed", "superseded moved"),
    _transition(
        "compared with both sides",
        "copied moved failed damaged changed still_referenced row_refused misspelt",
        "copied moved damaged changed superseded",
    ),
    _transition(
        "compared by an undo, its copy an older one", "listed changed", "listed moved damaged changed superseded"
    ),
    _transition(
        "a row names the path that it was switched from, or the database refuses to switch it",
        "listed copied moved damaged changed still_referenced row_refused misspelt",
        "still_referenced row_refused",
    ),
    _transition("no row names it, and such objects are kept", "listed copied", "unreferenced"),
    _transition("listed again, and named by now", "unreferenced", "listed copied damaged superseded conflict"),
    _transition("gone from legacy, and nobody named it", "unreferenced", "withdrawn moved"),
    _transition("a row names it in another spelling", "listed copied unreferenced", "misspelt"),
    _transition("its rows are spelt as declared", "misspelt", "listed copied moved"),
    _transition("the switch is tried again", "still_referenced row_refused", "listed copied moved"),
    _transition("the deletion is tried again", "failed", "copied"),
    _transition("legacy was asked to delete it", "copied", "moved changed failed"),
    _transition("production was asked to delete our copy", "listed copied changed", "listed superseded failed"),
)


def may_follow(before: str | None, after: str) -> bool:
    """Whether an object may become what it is said to be; staying what it is counts."""
    return before == after or any(before in each.before and after in each.after for each in TRANSITIONS)
