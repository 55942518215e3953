"""What both sides hold now: listed or looked up, a bounded number of objects at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import NamedTuple, TypeVar

from s3_migration.ledger.reconciliation import find_left
from s3_migration.ledger.verification import KnownCopy, find_copies, find_copies_of
from s3_migration.ledger.walk import Finder, following, pieces, within
from s3_migration.model.objects import S3Object
from s3_migration.s3.parallel_listing import Listed, Place
from s3_migration.steps.run import Run

# Objects that are looked up together: what a task holds in memory, twice.
SLICE = 20_000
# Pages of a listing that make a slice.
PAGES = 16
T = TypeVar("T")
Pages = Iterable[list[S3Object]]
# In the order of keys, and the key up to which there are no others.
Copies = tuple[list[KnownCopy], str]


class ListedSlice(NamedTuple):
    """Some of legacy's objects as their lanes listed them, and what production holds of the same keys."""

    listed: list[Listed[S3Object]]
    copies: Pages

    @property
    def pages(self) -> list[list[S3Object]]:
        """By their first keys: each lane lists in order, and keys in order are found in half the time."""
        return sorted((listed.entries for listed in self.listed if listed.entries), key=lambda page: page[0].key)


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


def copies_of_range(run: Run, after: str) -> Iterator[Copies]:
    """The copies of the run's range that come after this key, some SLICE at a time."""
    left = replace(run.chunk, first_key=max(run.chunk.first_key, following(after))) if after else run.chunk
    gone, found = Finder(run.ledger).gone(run.chunk), list[KnownCopy]()
    for piece in pieces(run.ledger, left, SLICE, every=gone is None):
        found += find_copies(run.ledger, piece, every=gone is None)
        found += [KnownCopy(each.legacy_key, True) for each in within(gone or [], piece) if each.has_copy]
        if 2 * len(found) >= SLICE:  # of many pieces there may be few
            yield sorted(found), piece.last_key
            found = []
    yield sorted(found), left.last_key


def copies_of_keys(run: Run, keys: Sequence[str]) -> Iterator[Copies]:
    """Those of these legacy keys (sorted), SLICE at a time."""
    for start in range(0, len(keys), SLICE):
        some = list(keys[start : start + SLICE])
        yield find_copies_of(run.ledger, some), some[-1]


def copies_left(run: Run) -> Iterator[Copies]:
    """Those of the run's range that a later look can find otherwise."""
    for piece in pieces(run.ledger, run.chunk, SLICE, every=False):
        for start in range(0, len(found := find_left(run.ledger, piece)), SLICE):
            yield found[start : start + SLICE], piece.last_key


def both_sides(run: Run, copies: Iterator[Copies]) -> Iterator[tuple[list[str], Pages, Pages, str]]:
    """Of some copies at a time: their keys, what legacy and production hold of them, and up to which key that is all.

    The next are on their way. What should be there is asked for by HEAD before it counts as missing.
    """

    def slices() -> Iterator[tuple[list[str], Pages, Pages, str]]:
        for found, reached in copies:
            if not found:
                yield [], (), (), reached
                continue
            wanted = [copy.legacy_key for copy in found]
            left = [copy.legacy_key for copy in found if not copy.gone]
            yield wanted, lookup_legacy(run, wanted, left), lookup_production(run, wanted, wanted), reached

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
