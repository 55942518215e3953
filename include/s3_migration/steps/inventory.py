"""What both sides hold now: listed or looked up, a bounded number of objects at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple, TypeVar

from s3_migration.ledger.verification import find_copies
from s3_migration.model.objects import S3Object
from s3_migration.s3.parallel_listing import Listed, Place
from s3_migration.steps.run import Run

# Objects that are looked up together: what a task holds in memory, twice.
SLICE = 20_000
# Pages of a listing that make a slice.
PAGES = 16
T = TypeVar("T")
Pages = Iterable[list[S3Object]]


class ListedSlice(NamedTuple):
    """Some of legacy's objects as their lanes listed them, and what production holds of the same keys."""

    listed: list[Listed[S3Object]]
    copies: Pages

    @property
    def pages(self) -> list[list[S3Object]]:
        return [listed.entries for listed in self.listed]


def list_legacy(
    run: Run, places: Sequence[Place] = (), *, in_order: bool = False, once: bool = False
) -> Iterator[Listed[S3Object]]:
    """Legacy as listed; the canaries of checks are not part of it. As `BulkS3Hook.list_from`."""
    store, is_canary, window = run.declaration.legacy, run.keys.is_canary, run.record.time_window
    for listed in run.legacy.list_from(store.bucket, store.prefix, places, in_order=in_order, once=once):
        run.stop_if_asked()
        yield Listed(
            [
                entry
                for entry in listed.entries
                if not is_canary(entry.key) and (window is None or window.holds(entry.modified))
            ],
            listed.place,
        )


def lookup_legacy(run: Run, keys: Sequence[str], expected: Iterable[str] = ()) -> Pages:
    """Legacy at these keys (sorted), asked for at once."""
    return run.legacy.lookup(run.legacy_bucket, run.keys.legacy_prefix, keys, frozenset(expected))


def lookup_production(run: Run, keys: Sequence[str], expected: Iterable[str] = ()) -> Pages:
    """Production at these legacy keys (sorted), under the legacy keys, asked for at once."""
    mapping = run.keys
    mapped = [mapping.production_key(key) for key in keys]
    sure = frozenset(mapping.production_key(key) for key in expected)
    pages = run.production.lookup(run.production_bucket, mapping.production_prefix, mapped, sure)
    return ([entry._replace(key=mapping.legacy_key(entry.key)) for entry in page] for page in pages)


def with_production(run: Run, listed: Iterable[Listed[S3Object]]) -> Iterator[ListedSlice]:
    """Slices of a listing; the next one is on its way."""

    def slices() -> Iterator[ListedSlice]:
        source = iter(listed)
        while some := list(islice(source, PAGES)):
            found = [
                lookup_production(run, sorted(entry.key for entry in part.entries)) for part in some if part.entries
            ]
            yield ListedSlice(some, chain.from_iterable(found))

    return one_ahead(slices())


def both_sides(run: Run, keys: list[str] | None) -> Iterator[tuple[list[str], Pages, Pages]]:
    """All of the run's copies (or those of these keys), some at a time: keys, what legacy and production hold of them.

    The next are on their way. What should be there is asked for by HEAD before it counts as missing.
    """

    def slices() -> Iterator[tuple[list[str], Pages, Pages]]:
        after = ""
        while found := find_copies(run.ledger, keys, after, SLICE):
            wanted = [copy.legacy_key for copy in found]
            left = [copy.legacy_key for copy in found if not copy.gone]
            yield wanted, lookup_legacy(run, wanted, left), lookup_production(run, wanted, wanted)
            after = wanted[-1]

    return one_ahead(slices())


def one_ahead(started: Iterator[T]) -> Iterator[T]:
    """Each, once the next one has been started."""
    current = next(started, None)
    while current is not None:
        following = next(started, None)
        yield current
        current = following


def first_of(listed: Iterable[Listed[S3Object]], limit: int) -> Iterator[Listed[S3Object]]:
    """The first ones, until `limit` different keys have come."""
    seen: set[str] = set()
    for part in listed if limit > 0 else ():
        kept = []
        for entry in part.entries:
            if entry.key not in seen and len(seen) < limit:
                seen.add(entry.key)
                kept.append(entry)
        yield Listed(kept, part.place)
        if len(seen) >= limit:
            return
