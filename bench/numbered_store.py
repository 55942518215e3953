"""A store of numbered keys within the process, in place of the S3 hooks: what steps do without waiting for a store."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

from devstack.awkward import LEGACY
from s3_migration.model.objects import S3Object


class NumberedStore:
    """In place of both S3 hooks: legacy holds `image/avatar-<n>.png` for n from 1; production all copies or none."""

    def __init__(self, objects: int) -> None:
        self.objects = objects
        self.copied = False
        self.deleted = False

    def list_objects(self, bucket: str, prefix: str, *, in_order: bool = False) -> Iterator[list[S3Object]]:
        keys = (f"{prefix}avatar-{number}.png" for number in self._numbers())
        while page := list(islice(keys, 1_000)):
            yield [self._object(prefix, key) for key in page]

    def lookup(
        self, bucket: str, prefix: str, keys: Sequence[str], expected: Collection[str] = ()
    ) -> Iterator[list[S3Object]]:
        there = not self.deleted if prefix == LEGACY else self.copied
        yield [self._object(prefix, key) for key in keys] if there else []

    def copy_objects(self, legacy: str, production: str, copies: Iterable[object]) -> Iterator[object]:
        """All copies are marked in SQL.

        :raises LookupError: one is missing.
        """
        for copy in copies:
            raise LookupError(f"not marked: {copy}")
        yield from ()

    def take_requests(self) -> Counter[tuple[str, str]]:
        return Counter()

    def close(self) -> None:
        """There is nothing to close."""

    @staticmethod
    def _object(prefix: str, key: str) -> S3Object:
        etag = hashlib.md5(key.removeprefix(prefix).encode(), usedforsecurity=False).hexdigest()
        return S3Object(key, 50_000, etag, "2026-01-01T00:00:00Z")

    def _numbers(self) -> Iterator[int]:
        """1, 10, 100, …: in the order of the bytes of their keys."""
        number = 1
        for _ in range(self.objects):
            yield number
            if number * 10 <= self.objects:
                number *= 10
            else:
                while number % 10 == 9 or number + 1 > self.objects:
                    number //= 10
                number += 1
