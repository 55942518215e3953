"""The statements of `sql/walk`: a run's objects in ranges of keys, these in pieces, and how far a walk has come.

No statement runs over everything: what asks for the objects of a run asks for those of a piece. A piece is of so many
objects that the ledger knows, whose they may be: where a run owns few among a hundred million that are finished, each
piece of these would be read for next to nothing. So what legacy still holds has an index of its own, and what the run
owns beside is asked for at once, where it is little.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from s3_migration.ledger.chunk import LAST_KEY, WHOLE_RUN, Chunk
from s3_migration.ledger.connection import MigrationLedger, RunLedger

# Objects of a run that legacy holds no more: up to so many are found at once.
FEW = 20_000
# Objects of the ledger that a statement about a range reads at the most.
PIECE = 100_000
# Objects of others in a range, for each of the run's, up to which all of it may be read.
FOREIGN = 4


class Gone(NamedTuple):
    """An object of the run that legacy holds no more."""

    legacy_key: str
    has_copy: bool
    state: str
    acknowledged: bool


class Place(NamedTuple):
    """All up to this key is done; of one that has ended, all."""

    after_key: str
    ended: bool


class _RangeEnd(NamedTuple):
    chunk: int
    last_key: str
    objects: int


def following(key: str) -> str:
    """The first text after it: none that PostgreSQL can hold lies between."""
    return f"{key}\x01"


def ranges(ledger: RunLedger) -> list[Chunk]:
    """The key ranges of a run: the whole key space, each object in exactly one.

    A chunk's begins after the chunk before it, and the last one has no end: so what lies between two chunks, and
    concerns none, is in one as well. A run without chunks has one range, which is number 0.
    """
    first, made = "", []
    for end in ledger.rows(_RangeEnd, "find_range_ends"):
        made.append(Chunk(end.chunk, first, end.last_key, end.objects))
        first = following(end.last_key)
    return [*made[:-1], replace(made[-1], last_key=LAST_KEY)] if made else [WHOLE_RUN]


def find_range(ledger: RunLedger, number: int) -> Chunk:
    """:raises StopIteration: no such chunk."""
    return next(each for each in ranges(ledger) if each.number == number)


def pieces(ledger: MigrationLedger, chunk: Chunk, length: int, *, every: bool) -> Iterator[Chunk]:
    """The chunk in ranges of at most `length` objects, whose they may be.

    :param every: those that legacy holds no more count as well.
    """
    file, left = "find_piece_end" if every else "find_piece_end_in_legacy", chunk
    while (end := _piece_end(ledger, file, left, length)) is not None and end < chunk.last_key:
        yield replace(left, last_key=end)
        left = replace(left, first_key=following(end))
    yield left


def _piece_end(ledger: MigrationLedger, file: str, chunk: Chunk, length: int) -> str | None:
    with ledger.by_index():
        return ledger.first(file, **chunk.bounds, length=length)  # type: ignore[no-any-return]


class Finder:
    """How the run's objects are found in its ranges: some of it is asked for once, however many ranges there are."""

    def __init__(self, ledger: RunLedger) -> None:
        self._ledger = ledger
        self._asked = False
        self._gone: list[Gone] | None = None

    def gone(self, chunk: Chunk) -> list[Gone] | None:
        """What of the range the run owns and legacy holds no more, in the order of keys; the rest is found in legacy.

        None: each object that the ledger knows of it is to be read, since most are the run's, or a lot of it is gone.
        """
        most = chunk.objects * FOREIGN + PIECE
        if _piece_end(self._ledger, "find_piece_end", chunk, most) is None:
            return None
        if not self._asked:
            with self._ledger.by_index():
                found = self._ledger.rows(Gone, "find_gone", limit=FEW + 1)
            self._asked, self._gone = True, sorted(found) if len(found) <= FEW else None
        return None if self._gone is None else within(self._gone, chunk)


def within(gone: list[Gone], piece: Chunk) -> list[Gone]:
    return [each for each in gone if piece.first_key <= each.legacy_key <= piece.last_key]


# -- how far a walk has come --------------------------------------------------------------------------------------


def find_place(ledger: RunLedger, step: str, chunk: Chunk) -> Place | None:
    """None: it has not begun since the run was listed."""
    return ledger.find(Place, "find_place", step=step, chunk=chunk.number)


def keep_place(ledger: RunLedger, step: str, chunk: Chunk, after: str, *, ended: bool = False) -> None:
    """To be part of the transaction that writes what was done up to there."""
    ledger.execute("keep_place", step=step, chunk=chunk.number, after=after, ended=ended)


def forget_places(ledger: RunLedger, *steps: str, chunk: int | None = None) -> None:
    """:param chunk: of this one alone."""
    ledger.execute("forget_places", steps=list(steps), chunk=chunk)
