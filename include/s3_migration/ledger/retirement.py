"""The statements of `sql/retirement` that ask whether a migration is finished."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from s3_migration.ledger import walk
from s3_migration.ledger.chunk import WHOLE_RUN
from s3_migration.ledger.connection import MigrationLedger
from s3_migration.model.completion import LastRun, Rows


class StateCount(NamedTuple):
    state: str
    objects: int
    acknowledged: int
    waits_until: datetime | None = None  # of `waiting`: when the last grace period ends

    def plus(self, other: StateCount | None) -> StateCount:
        if other is None:
            return self
        until = max(filter(None, (self.waits_until, other.waits_until)), default=None)
        return StateCount(self.state, self.objects + other.objects, self.acknowledged + other.acknowledged, until)


def count_all_states(ledger: MigrationLedger) -> list[StateCount]:
    """Of all that the ledger knows, in the order of states; piece by piece, so that vacuum never waits for it."""
    counts: dict[str, StateCount] = {}
    for piece in walk.pieces(ledger, WHOLE_RUN, walk.PIECE, every=True):
        with ledger.by_index():
            for found in ledger.rows(StateCount, "count_all_states", **piece.bounds):
                counts[found.state] = found.plus(counts.get(found.state))
    return [counts[state] for state in sorted(counts)]


def find_last_run(ledger: MigrationLedger) -> LastRun | None:
    return ledger.find(LastRun, "find_last_run")


def count_unexplained_rows(ledger: MigrationLedger, explained: Sequence[str]) -> Rows:
    """:param explained: states whose rows may name a legacy path."""
    return ledger.one(Rows, "count_unexplained_rows", explained=list(explained))


def find_unexplained(ledger: MigrationLedger, keys: list[str], explained: Sequence[str]) -> list[str]:
    """Which of these legacy keys are there for no reason that is known.

    :param explained: states whose objects legacy may hold.
    """
    return ledger.column("find_unexplained", keys=keys, explained=list(explained))
