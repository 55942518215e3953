"""The statements of `sql/deletion`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from s3_migration.ledger.connection import Ledger, RunLedger
from s3_migration.ledger.run import Chunk


class Gate(NamedTuple):
    """Whether the run may delete now."""

    verified_at: datetime | None
    fresh: bool  # the proof is not older than proof_max_age
    damaged: int | None
    deletion_stopped: str | None  # the reason


class Deletable(NamedTuple):
    legacy_key: str
    etag: str  # of the object in legacy; of an undo, of our copy in production


def stop_deletion(ledger: Ledger, name: str, reason: str) -> None:
    ledger.execute("stop_deletion", name=name, reason=reason)


def allow_deletion(ledger: Ledger, name: str) -> None:
    ledger.execute("allow_deletion", name=name)


def wait_for_batches(ledger: Ledger, name: str) -> None:
    """:raises psycopg.errors.LockNotAvailable: a batch on its way has not ended."""
    ledger.execute("wait_for_batches", name=name)


def gate(ledger: RunLedger) -> Gate:
    return ledger.one(Gate, "gate")


def grace_left(ledger: RunLedger) -> timedelta | None:
    """Until the last object of the run that waits may be deleted; None where none waits."""
    return ledger.value("grace_left")  # type: ignore[no-any-return]


def find_deletable(ledger: RunLedger, chunk: Chunk, after: str, limit: int) -> list[Deletable]:
    """The next ones after this key."""
    return ledger.rows(Deletable, "find_deletable", **chunk.bounds, after=after, limit=limit)


def retry_refused_deletes(ledger: RunLedger, chunk: Chunk) -> None:
    ledger.execute("retry_refused_deletes", **chunk.bounds)


def mark_deleted(
    ledger: RunLedger,
    *,
    keys: list[str],
    problems: list[str | None],
    error_codes: list[str],
    details: list[str | None],
    sizes: list[int | None],
    etags: list[str | None],
    modifieds: list[str | None],
) -> None:
    """One batch of answers, a list a column; sizes, etags and modifieds are what legacy holds now."""
    ledger.execute(
        "mark_deleted",
        keys=keys,
        problems=problems,
        error_codes=error_codes,
        details=details,
        sizes=sizes,
        etags=etags,
        modifieds=modifieds,
    )


def mark_removed(
    ledger: RunLedger,
    *,
    keys: list[str],
    problems: list[str | None],
    error_codes: list[str],
    details: list[str | None],
) -> None:
    """One batch of answers, a list a column."""
    ledger.execute("mark_removed", keys=keys, problems=problems, error_codes=error_codes, details=details)
