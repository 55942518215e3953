"""How a run is cut into mapped tasks. Pure."""

from __future__ import annotations

# Airflow maps over at most 1,024 (core.max_map_length); three mapped steps of 800 keep a run below 2,500 instances.
MAX_CHUNKS = 800


def chunk_length(count: int, chunk_size: int, most: int = MAX_CHUNKS) -> int:
    """Objects a chunk: `chunk_size`, or more where that would make over `most` chunks of `count` objects."""
    return max(chunk_size, -(-count // most))
