"""The run's scope, cut into chunks: of what is in legacy, some keys at a time."""

from __future__ import annotations

from dataclasses import replace

from s3_migration.ledger.chunk import Chunk
from s3_migration.ledger.chunks import draw_chunks
from s3_migration.model.chunking import MAX_CHUNKS, chunk_length
from s3_migration.steps.inventory import SLICE
from s3_migration.steps.run import Run


def cut(run: Run, objects: int) -> list[Chunk]:
    """What mapped tasks can do something about, in chunks numbered from 1.

    :param objects: about as many as they are.
    """
    while True:
        length = chunk_length(objects, run.declaration.chunk_size)
        chunks = _of_length(run, length)
        if len(chunks) <= MAX_CHUNKS:
            return chunks
        objects = sum(chunk.objects for chunk in chunks)  # it owns what this listing had no part in as well


def _of_length(run: Run, length: int) -> list[Chunk]:
    chunks: list[Chunk] = []
    after, taken = "", 0
    while pieces := draw_chunks(run.ledger, after, taken, length, SLICE):
        run.stop_if_asked()
        for piece in pieces:
            after = max(after, piece.last_key)
            if piece.chunk is None:
                continue
            taken += piece.objects
            if piece.chunk < len(chunks):
                begun = chunks[piece.chunk]
                chunks[piece.chunk] = replace(begun, last_key=piece.last_key, objects=begun.objects + piece.objects)
            else:
                chunks.append(Chunk(piece.chunk + 1, piece.first_key, piece.last_key, piece.objects))
    return chunks
