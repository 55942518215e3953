"""The statements of `sql/verification`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from s3_migration.ledger.connection import RunLedger
from s3_migration.ledger.run import Chunk


class KnownCopy(NamedTuple):
    legacy_key: str
    gone: bool  # legacy holds it no more


class Unproven(NamedTuple):
    legacy_key: str
    legacy_etag: str  # of the version that was copied
    production_etag: str  # of the copy


class Proven(NamedTuple):
    """What became of one of them: the same bytes, or not (None: nobody could tell), and why."""

    of: Unproven
    same: bool | None
    detail: str | None = None


def begin_verification(ledger: RunLedger) -> None:
    ledger.execute("begin_verification")


def find_copies(ledger: RunLedger, keys: list[str] | None, after: str, limit: int) -> list[KnownCopy]:
    """The next ones after this key, of these legacy keys or of the whole run."""
    return ledger.rows(KnownCopy, "find_copies", keys=keys, after=after, limit=limit)


def compare(ledger: RunLedger, first_key: str, last_key: str, keys: list[str] | None, *, proving: bool) -> None:
    """What the staging tables hold from `first_key` to `last_key` against the ledger.

    :param keys: of these legacy keys only.
    :param proving: it is part of a proof: what was refused is judged again.
    """
    ledger.execute("compare", first_key=first_key, last_key=last_key, keys=keys, proving=proving)


def mark_rewritten(ledger: RunLedger, keys: list[str], details: list[str]) -> None:
    """:param details: what differs, of each key."""
    ledger.execute("mark_rewritten", keys=keys, details=details)


def find_unproven_bytes(ledger: RunLedger, chunk: Chunk, after: str, limit: int) -> list[Unproven]:
    """The next ones of a chunk after this key, where it is declared that bytes are to be proven."""
    return ledger.rows(Unproven, "find_unproven_bytes", **chunk.bounds, after=after, limit=limit)


def mark_bytes(ledger: RunLedger, proven: Sequence[Proven]) -> None:
    ledger.execute(
        "mark_bytes",
        keys=[each.of.legacy_key for each in proven],
        legacy_etags=[each.of.legacy_etag for each in proven],
        production_etags=[each.of.production_etag for each in proven],
        sames=[each.same for each in proven],
        details=[each.detail for each in proven],
    )


def record_damage(ledger: RunLedger, keys: list[str]) -> None:
    ledger.execute("record_damage", keys=keys)


def end_verification(ledger: RunLedger, since: datetime) -> int:
    """The proof is complete; its age counts from `since`. Answers how many copies are damaged."""
    return int(ledger.value("end_verification", since=since))
