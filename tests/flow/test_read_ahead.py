"""Rows whose keys follow each other at random: the ledger's rows are read ahead of the switch, in the order of keys."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from psycopg import errors

from s3_migration.ledger import switching
from s3_migration.ledger.connection import RunLedger
from s3_migration.steps import passes, read_ahead
from tests.support.flow import Flow
from tests.support.product import Product
from tests.support.switching import copied, unswitched

OBJECTS = 3000


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "FIRST_PAGES", 1)
    monkeypatch.setattr(passes, "MAX_PAGES", 3)
    for name, value in {
        **{"SAMPLE_PAGES": 1, "FEW_KEYS": 1, "UNREAD_PAGES": 4, "SLAB_PAGES": 8, "GATHERED_PAGES": 2},
        **{"READ_KEYS": 100, "COLD_SECONDS": 0.0},
    }.items():
        monkeypatch.setattr(read_ahead, name, value)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The keys of each statement, without the samples."""
    seen: list[list[str]] = []
    read: Callable[[RunLedger, list[str]], None] = switching.read_objects

    def read_objects(ledger: RunLedger, keys: list[str]) -> None:
        read(ledger, keys)
        if keys == sorted(keys):
            seen.append(keys)

    monkeypatch.setattr(switching, "read_objects", read_objects)
    return seen


def shuffled(product: Product, flow: Flow) -> None:
    """The same rows as `copied` makes, in no order."""
    copied(product, flow, OBJECTS)
    numbers = list(range(1, OBJECTS + 1))
    random.Random(1).shuffle(numbers)
    product.sql("TRUNCATE avatars")
    product.sql("INSERT INTO avatars (path) SELECT 'image/' || n FROM unnest(%s::int[]) AS n", numbers)


def slabs(reads: list[list[str]]) -> int:
    """How often the keys begin again."""
    return 1 + sum(following < one for one, following in pairwise(reads))


@pytest.mark.parametrize("at_once", [1, 3])
def test_keys_at_random_are_read_in_their_order_before_their_rows_are_switched(
    product: Product, flow: Flow, reads: list[list[str]], at_once: int
) -> None:
    shuffled(product, flow)
    flow.declaration = flow.declaration.model_copy(update={"parallel_passes": at_once})
    flow.switch()
    assert sorted(product.rows()) == sorted(f"avatar/{number}" for number in range(1, OBJECTS + 1))
    assert sorted(key for keys in reads for key in keys) == sorted(f"image/{n}" for n in range(1, OBJECTS + 1))
    assert max(len(keys) for keys in reads) == 100
    assert at_once > 1 or slabs(reads) == 3  # of eight pages, of some two hundred rows each
    reads.clear()
    flow.switch()
    assert reads == []


def test_keys_in_order_are_not(product: Product, flow: Flow, reads: list[list[str]]) -> None:
    copied(product, flow, OBJECTS)
    flow.switch()
    assert unswitched(product) == []
    assert reads == []


def test_nor_are_keys_whose_objects_are_in_memory(
    product: Product, flow: Flow, reads: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "COLD_SECONDS", 1.0)
    shuffled(product, flow)
    flow.switch()
    assert unswitched(product) == []
    assert reads == []


def test_a_slab_holds_so_many_keys(
    product: Product, flow: Flow, reads: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "SLAB_PAGES", 1_000)
    monkeypatch.setattr(read_ahead, "SLAB_BYTES", 500 * (len("image/1000") + read_ahead.BYTES_A_KEY))
    shuffled(product, flow)
    flow.switch()
    assert unswitched(product) == []
    assert slabs(reads) > 3


def test_what_cannot_be_read_ahead_is_switched_all_the_same(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(ledger: RunLedger, keys: list[str]) -> None:
        raise errors.QueryCanceled("canceling statement due to statement timeout")

    monkeypatch.setattr(switching, "read_objects", fails)
    shuffled(product, flow)
    flow.switch()
    assert unswitched(product) == []
