"""What both sides hold now: listed or looked up, a bounded number of objects at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TypeVar

from s3_migration.ledger.verification import find_copies
from s3_migration.model.objects import S3Object
from s3_migration.steps.run import Run

# Objects that are looked up together: what a task holds in memory, twice.
SLICE = 20_000
# Pages of a listing that make a slice.
PAGES = 16
T = TypeVar("T")
Pages = Iterable[list[S3Object]]


def list_legacy(run: Run) -> Iterator[list[S3Object]]:
    """Legacy as listed; the canaries of checks are not part of it. A limited run takes the first ones."""
    store, is_canary, window = run.declaration.legacy, run.keys.is_canary, run.record.time_window
    for page in run.legacy.list_objects(store.bucket, store.prefix, in_order=run.record.object_limit is not None):
        run.stop_if_asked()
        yield [entry for entry in page if not is_canary(entry.key) and (window is None or window.holds(entry.modified))]


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


def with_production(run: Run, pages: Pages) -> Iterator[tuple[list[list[S3Object]], Pages]]:
    """Pages of legacy, some at a time, with what production holds of the same keys; the next are on their way."""

    def slices() -> Iterator[tuple[list[list[S3Object]], Pages]]:
        source = iter(pages)
        while some := list(islice(source, PAGES)):
            found = [lookup_production(run, sorted(entry.key for entry in page)) for page in some]
            yield some, chain.from_iterable(found)

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


def first_of(pages: Pages, limit: int) -> Iterator[list[S3Object]]:
    """The pages until `limit` different keys have come."""
    seen: set[str] = set()
    for page in pages if limit > 0 else ():
        kept = []
        for entry in page:
            if entry.key not in seen and len(seen) < limit:
                seen.add(entry.key)
                kept.append(entry)
        yield kept
        if len(seen) >= limit:
            return
