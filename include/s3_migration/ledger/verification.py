"""The statements of `sql/verification`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from s3_migration.ledger import walk
from s3_migration.ledger.chunk import Chunk
from s3_migration.ledger.connection import RunLedger


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


def begin_verification(ledger: RunLedger, chunk: int = 0) -> None:
    """Until it has ended no proof is there. What was compared of one that never ended stays.

    :param chunk: the part of one chunk is taken anew; 0: whatever is not there.
    """
    with ledger.batch():
        ledger.execute("forget_ended_verification", chunk=chunk)
        ledger.execute("begin_verification")
        walk.forget_places(ledger, "reconcile", "settle")


def find_copies(ledger: RunLedger, piece: Chunk, *, every: bool) -> list[KnownCopy]:
    """Of a piece (ledger/walk.py), in the order of keys.

    :param every: those too that legacy holds no more.
    """
    with ledger.by_index():
        return ledger.rows(KnownCopy, "find_copies" if every else "find_copies_in_legacy", **piece.bounds)


def find_copies_of(ledger: RunLedger, keys: list[str]) -> list[KnownCopy]:
    """Those of the run among these legacy keys."""
    with ledger.by_index():
        return ledger.rows(KnownCopy, "find_copies_of", keys=keys)


def compare(ledger: RunLedger, keys: list[str], *, proving: bool) -> int:
    """What the staging tables hold of these legacy keys against the ledger. Answers how many are not as they should be.

    Within a batch.

    :param proving: it is part of a proof: what was refused is judged again.
    """
    return ledger.execute_by_hash("compare", keys=keys, proving=proving).rowcount


def count_undecided(ledger: RunLedger, chunk: Chunk) -> int:
    """Copies of a range that are gone, and of which the rows are still to be asked."""
    with ledger.by_index():
        return int(ledger.value("count_undecided", **chunk.bounds))


def mark_rewritten(ledger: RunLedger, keys: list[str], details: list[str]) -> None:
    """:param details: what differs, of each key."""
    ledger.execute_by_hash("mark_rewritten", keys=keys, details=details)


def find_unproven_bytes(ledger: RunLedger, chunk: Chunk, after: str, limit: int) -> list[Unproven]:
    """The next ones of a chunk after this key, where it is declared that bytes are to be proven."""
    with ledger.by_index():
        return ledger.rows(Unproven, "find_unproven_bytes", **chunk.bounds, after=after, limit=limit)


def mark_bytes(ledger: RunLedger, proven: Sequence[Proven]) -> None:
    ledger.execute_by_hash(
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
    with ledger.by_index():
        return int(ledger.value("end_verification", since=since))
