"""The statements of `sql/reconciliation`."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from s3_migration.ledger import walk
from s3_migration.ledger.chunk import LAST_KEY, WHOLE_RUN, Chunk
from s3_migration.ledger.connection import MigrationLedger, ReferenceLedger, RunLedger
from s3_migration.ledger.verification import KnownCopy
from s3_migration.ledger.walk import PIECE


class _Beyond(NamedTuple):
    beyond: int
    reached: str | None


def count_rows_left(ledger: ReferenceLedger, first: str, last: str) -> int:
    """From place `first` to before `last`."""
    return int(ledger.value("count_rows_left", first=first, last=last))


def count_beyond_undo(ledger: MigrationLedger) -> int:
    total, after = 0, ""
    while (found := ledger.one(_Beyond, "count_beyond_undo", after=after, limit=PIECE)).reached is not None:
        total, after = total + found.beyond, found.reached
    return total


def find_left(ledger: RunLedger, piece: Chunk) -> list[KnownCopy]:
    """Copies of a piece that a later look can find otherwise."""
    with ledger.by_index():
        return ledger.rows(KnownCopy, "find_left", **piece.bounds)


def find_first_look(ledger: RunLedger) -> timedelta | None:
    """How long ago it was over; None: it is not."""
    return ledger.first("find_first_look")  # type: ignore[no-any-return]


def end_first_look(ledger: RunLedger) -> None:
    if find_first_look(ledger) is None:
        walk.keep_place(ledger, "settle", WHOLE_RUN, LAST_KEY, ended=True)


def end_looks(ledger: RunLedger) -> None:
    """It has come to a verdict: asked again, it begins anew."""
    walk.forget_places(ledger, "reconcile", "settle")


def drop_fixed_acknowledgements(ledger: RunLedger) -> None:
    ledger.execute("drop_fixed_acknowledgements")
