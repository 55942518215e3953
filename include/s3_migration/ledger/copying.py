"""The statements of `sql/copying`."""

from __future__ import annotations

from typing import NamedTuple

from s3_migration.ledger import walk
from s3_migration.ledger.chunk import Chunk
from s3_migration.ledger.connection import RunLedger


class Uncopied(NamedTuple):
    legacy_key: str
    legacy_size: int
    legacy_etag: str
    replaces: str | None  # the ETag of our earlier copy in production
    acknowledged: bool


def reclaim(ledger: RunLedger, chunk: Chunk) -> None:
    """Not while a proof is taken, which would not see what is taken back, and be younger than that.

    What was compared of the range, if anything was, was not the run's then: it is compared again.
    """
    if not ledger.value("is_followed"):
        return
    with ledger.alone("proof"):
        for piece in walk.pieces(ledger, chunk, walk.PIECE, every=False):
            with ledger.by_index():
                if ledger.execute("reclaim", **piece.bounds).rowcount:
                    walk.forget_places(ledger, "verify", "reconcile", "states", chunk=chunk.number)


def find_uncopied(ledger: RunLedger, chunk: Chunk, after: str, problem: str | None, limit: int) -> list[Uncopied]:
    """The next ones after this key.

    :param problem: only the objects of this problem; None: whatever it is.
    """
    with ledger.by_index():
        return ledger.rows(Uncopied, "find_uncopied", **chunk.bounds, after=after, problem=problem, limit=limit)


def find_with_problem(ledger: RunLedger, chunk: Chunk, problem: str) -> list[str]:
    """Their legacy keys."""
    with ledger.by_index():
        return ledger.column("find_with_problem", **chunk.bounds, problem=problem)


def mark_copied(
    ledger: RunLedger,
    *,
    keys: list[str],
    sizes: list[int],
    etags: list[str],
    production_etags: list[str | None],
    production_modifieds: list[str | None],
    problems: list[str | None],
    error_codes: list[str],
    details: list[str | None],
    proving: bool,
) -> None:
    """One batch of answers, a list a column; times are ISO 8601. Within a transaction.

    :param proving: the copies are part of a proof.
    """
    ledger.execute_by_hash(
        "mark_copied",
        keys=keys,
        sizes=sizes,
        etags=etags,
        production_etags=production_etags,
        production_modifieds=production_modifieds,
        problems=problems,
        error_codes=error_codes,
        details=details,
        proving=proving,
    )
