"""How the scope of a run is cut into the key ranges of its mapped tasks, some keys at a time."""

from __future__ import annotations

from typing import NamedTuple

from s3_migration.ledger.chunk import Chunk
from s3_migration.ledger.connection import RunLedger


class Piece(NamedTuple):
    """Some keys of one chunk, counted from 0; of None, no task can do anything about them."""

    chunk: int | None
    first_key: str
    last_key: str
    objects: int


def draw_chunks(ledger: RunLedger, after: str, taken: int, length: int, limit: int) -> list[Piece]:
    """Of the next keys after this one that legacy holds.

    :param taken: objects that are in chunks already.
    :param length: objects of a chunk.
    """
    return ledger.rows(Piece, "draw_chunks", after=after, taken=taken, length=length, limit=limit)


def replace_chunks(ledger: RunLedger, chunks: list[Chunk]) -> None:
    ledger.execute("clear_chunks")
    ledger.execute(
        "create_chunks",
        chunks=[chunk.number for chunk in chunks],
        first_keys=[chunk.first_key for chunk in chunks],
        last_keys=[chunk.last_key for chunk in chunks],
        objects=[chunk.objects for chunk in chunks],
    )
