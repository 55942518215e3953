"""The statements of `sql/counting`: a run's objects by state, by ranges, and what is red of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from s3_migration.ledger import walk
from s3_migration.ledger.chunk import LAST_KEY, Chunk
from s3_migration.ledger.connection import RunLedger
from s3_migration.ledger.walk import Gone

# A range with nothing but these can change by what is in legacy again, or has a problem: that is looked for by itself.
FINISHED = {"moved", "dangling", "superseded"}


@dataclass(frozen=True)
class States:
    """Objects by state, and those of them whose problem a person has acknowledged."""

    all: dict[str, int]
    acknowledged: dict[str, int]

    @property
    def unacknowledged(self) -> dict[str, int]:
        return {state: objects - self.acknowledged[state] for state, objects in self.all.items()}

    @classmethod
    def of(cls, counted: Iterable[tuple[str, int, int]]) -> States:
        """:param counted: state, objects, acknowledged."""
        objects, acknowledged = Counter[str](), Counter[str]()
        for state, number, known in counted:
            objects[state] += number
            acknowledged[state] += known
        return cls(dict(objects), {state: acknowledged[state] for state in objects})

    @classmethod
    def total(cls, counted: Iterable[States]) -> States:
        return cls.of((state, n, each.acknowledged[state]) for each in counted for state, n in each.all.items())


class Problem(NamedTuple):
    legacy_key: str
    state: str
    detail: str | None


class _Kept(NamedTuple):
    chunk: int
    state: str
    objects: int


Counted = list[tuple[Chunk, States]]


def count_states(ledger: RunLedger, chunk: Chunk) -> Counted:
    """By ranges, of the whole run; of a chunk it is that alone. Of ranges that are finished it is kept."""
    finder = walk.Finder(ledger)
    if chunk.number:
        return [(chunk, _count(ledger, chunk, finder.gone(chunk)))]
    kept: dict[int, list[tuple[str, int, int]]] = {}
    for found in ledger.rows(_Kept, "find_kept_states"):
        kept.setdefault(found.chunk, []).append((found.state, found.objects, 0))
    counted: Counted = []
    for each in walk.ranges(ledger):
        if each.number in kept and not _is_unfinished(ledger, each):
            counted.append((each, States.of(kept[each.number])))
            continue
        states = _count(ledger, each, finder.gone(each))
        counted.append((each, states))
        _keep(ledger, each, states)
    return counted


def _count(ledger: RunLedger, chunk: Chunk, gone: list[Gone] | None) -> States:
    found = [(each.state, 1, int(each.acknowledged)) for each in walk.within(gone or [], chunk)]
    file = "count_states" if gone is None else "count_states_in_legacy"
    for piece in walk.pieces(ledger, chunk, walk.PIECE, every=gone is None):
        with ledger.by_index():
            found += (tuple(row.values()) for row in ledger.execute(file, **piece.bounds))
    return States.of(found)


def _is_unfinished(ledger: RunLedger, chunk: Chunk) -> bool:
    with ledger.by_index():
        return bool(ledger.value("is_unfinished", **chunk.bounds))


def _keep(ledger: RunLedger, chunk: Chunk, states: States) -> None:
    if states.all.keys() <= FINISHED:
        with ledger.batch():
            ledger.execute(
                "keep_states", chunk=chunk.number, states=list(states.all), numbers=list(states.all.values())
            )
            walk.keep_place(ledger, "states", chunk, LAST_KEY, ended=True)


def find_problems(ledger: RunLedger, counted: Counted, states: Iterable[str], limit: int) -> list[Problem]:
    """The first ones of these states that nobody has acknowledged."""
    wanted, found = list(states), list[Problem]()
    for chunk, there in counted:
        if len(found) < limit and there.all.keys() & set(wanted):
            with ledger.by_index():
                found += ledger.rows(Problem, "find_problems", **chunk.bounds, states=wanted, limit=limit - len(found))
    return found


def find_failure_codes(ledger: RunLedger, chunk: Chunk) -> list[str]:
    """The error codes of what failed and is not acknowledged."""
    with ledger.by_index():
        return ledger.column("find_failure_codes", **chunk.bounds)
