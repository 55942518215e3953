"""The statements of `sql/retirement` that ask whether a migration is finished."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from s3_migration.ledger.connection import MigrationLedger
from s3_migration.model.completion import LastRun, Rows


class StateCount(NamedTuple):
    state: str
    objects: int
    acknowledged: int
    waits_until: datetime | None = None  # of `waiting`: when the last grace period ends


def count_all_states(ledger: MigrationLedger) -> list[StateCount]:
    return ledger.rows(StateCount, "count_all_states")


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
