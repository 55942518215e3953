"""How a run is cut into mapped tasks. Pure."""

from __future__ import annotations

# Enough for any number of workers. More of them would each cost Airflow some seconds, three times a run, and spare
# nothing: what is killed goes on where it was, however long the chunk. (It maps over 1,024 by default.)
MAX_CHUNKS = 200


def chunk_length(count: int, chunk_size: int, most: int = MAX_CHUNKS) -> int:
    """Objects a chunk: `chunk_size`, or more where that would make over `most` chunks of `count` objects."""
    return max(chunk_size, -(-count // most))
