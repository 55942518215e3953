"""How fast a run is to go: what a person sets while it is at work, and each task reads between two batches."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from s3_migration.ledger.connection import MigrationLedger, RunLedger


class Pace(NamedTuple):
    """None: as declared."""

    requests_in_flight: int | None = None
    parallel_chunks: int | None = None
    max_lag: timedelta | None = None

    def as_text(self) -> str:
        return ", ".join(
            f"{name}: {'as declared' if value is None else value}" for name, value in self._asdict().items()
        )


def find_pace(ledger: RunLedger) -> Pace:
    return ledger.one(Pace, "find_pace")


def set_pace(ledger: MigrationLedger, run_id: str, pace: Pace) -> bool:
    """Answers whether the run is there and not over."""
    return ledger.execute("set_pace", run_id=run_id, **pace._asdict()).rowcount > 0


def take_slot(ledger: RunLedger, step: str, slots: int) -> bool:
    """Be one of so many tasks of a step, as long as the session lasts."""
    names = (f"s3_migration {ledger.migration_id} {step} slot {number}" for number in range(1, slots + 1))
    return any(ledger.value("try_advisory_lock", name=name) for name in names)
