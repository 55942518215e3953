"""A store of numbered keys within the process, in place of the S3 hooks: what steps do without waiting for a store."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from devstack.awkward import LEGACY
from s3_migration.model.objects import S3Object
from s3_migration.s3.parallel_listing import Listed, Place


@dataclass
class NumberedStore:
    """In place of both S3 hooks: legacy holds `image/avatar-<n>.png` for n from 1; production all copies or none."""

    objects: int
    copied: bool = False
    deleted: bool = False

    def list_from(
        self, bucket: str, prefix: str, places: Sequence[Place] = (), **_: bool
    ) -> Iterator[Listed[S3Object]]:
        keys = (f"{prefix}avatar-{number}.png" for number in self._numbers(1, 9))
        while page := list(islice(keys, 1_000)):
            yield Listed([self._object(prefix, key) for key in page], Place(0, prefix, (), page[-1], None))

    def lookup(
        self, bucket: str, prefix: str, keys: Sequence[str], expected: Collection[str] = ()
    ) -> Iterator[list[S3Object]]:
        there = not self.deleted if prefix == LEGACY else self.copied
        yield [self._object(prefix, key) for key in keys] if there else []

    def copy_objects(
        self, legacy: str, production: str, copies: Iterable[object], settings: object
    ) -> Iterator[object]:
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

    def _numbers(self, first: int, last: int) -> Iterator[int]:
        """1, 10, 100, …: in the order of the bytes of their keys."""
        for number in range(first, min(last, self.objects) + 1):
            yield number
            yield from self._numbers(number * 10, number * 10 + 9)
