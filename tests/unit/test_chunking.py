"""A run is cut into chunks that hold all of it, and are never more than Airflow maps over."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from s3_migration.model.chunking import MAX_CHUNKS, chunk_length

COUNTS = st.integers(0, 10**12)
SIZES = st.integers(1, 10**7)


@given(COUNTS, SIZES, st.integers(1, MAX_CHUNKS))
@example(0, 1, 1)
@example(1, 1, 1)
@example(MAX_CHUNKS, 1, MAX_CHUNKS)
@example(MAX_CHUNKS + 1, 1, MAX_CHUNKS)
def test_the_chunks_hold_all_and_are_not_too_many(count: int, size: int, most: int) -> None:
    length = chunk_length(count, size, most)
    chunks = -(-count // length)
    assert length >= size
    assert chunks <= most
    assert chunks * length >= count
    assert (chunks - 1) * length < count or count == 0
    # No longer than it must be: one object less a chunk would make a chunk too many.
    assert length == size or -(-count // (length - 1)) > most


@pytest.mark.parametrize(
    ("count", "size", "most", "length"),
    [
        (0, 10, 3, 10),
        (1, 10, 3, 10),
        (30, 10, 3, 10),
        (31, 10, 3, 11),
        (33, 10, 3, 11),
        (34, 10, 3, 12),
    ],
)
def test_chunks_grow_once_they_would_be_too_many(count: int, size: int, most: int, length: int) -> None:
    assert chunk_length(count, size, most) == length


def test_three_mapped_steps_stay_below_what_airflow_maps_over() -> None:
    assert MAX_CHUNKS <= 1_024
    assert chunk_length(300_000_000, 10_000) == 1_500_000
