"""Looking at what both sides hold now: by listing, or by HEAD where only a few keys are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from include.bulk_s3 import S3Object
from include.steps.run import Run

# Below this many keys, asking for each is cheaper than listing a bucket that may hold hundreds of millions.
HEADS = 100
# A canary run must not list all of production.
HEADS_OF_A_LIMITED_RUN = 10_000


def by_head(objects: int, limited: bool) -> bool:
    """Whether to ask for each key rather than to list the prefix."""
    return objects <= (HEADS_OF_A_LIMITED_RUN if limited else HEADS)


def list_legacy(run: Run) -> Iterator[list[S3Object]]:
    """Legacy as listed; the canary of a check that was killed is not part of it."""
    store, canary = run.declaration.legacy, run.keys.legacy_canary
    for page in run.legacy.list_objects(store.bucket, store.prefix):
        yield [entry for entry in page if entry.key != canary]


def list_production(run: Run) -> Iterator[list[S3Object]]:
    """Production as listed, under the legacy keys."""
    store, keys = run.declaration.production, run.keys
    for page in run.production.list_objects(store.bucket, store.prefix):
        yield [replace(entry, key=keys.legacy_key(entry.key)) for entry in page if entry.key != keys.production_canary]


def look_at_legacy(run: Run, keys: Iterable[str]) -> Iterator[list[S3Object]]:
    return run.legacy.head_objects(run.legacy_bucket, keys)


def look_at_production(run: Run, keys: Iterable[str]) -> Iterator[list[S3Object]]:
    """Production at these legacy keys, under the legacy keys."""
    found = run.production.head_objects(run.production_bucket, [run.keys.production_key(key) for key in keys])
    for page in found:
        yield [replace(entry, key=run.keys.legacy_key(entry.key)) for entry in page]


def look_at_both(run: Run, keys: list[str] | None) -> bool:
    """Fill the scratch tables with what both sides hold now of these keys, or of all the run's copies (and maybe more).

    :returns: False where the run has no copies to look at.
    """
    ledger, limited = run.ledger, run.limit is not None
    count = ledger.value("count_copies") if keys is None else len(keys)
    if not count:
        return False
    ledger.empty_scratch()
    if by_head(count, limited or keys is not None):
        keys = keys or [row["legacy_key"] for row in ledger.execute("find_copies")]
        ledger.fill_scratch("legacy", look_at_legacy(run, keys))
        ledger.fill_scratch("production", look_at_production(run, keys))
    else:
        ledger.fill_scratch("legacy", list_legacy(run))
        ledger.fill_scratch("production", list_production(run))
    return True


def first_of(pages: Iterable[list[S3Object]], limit: int) -> Iterator[list[S3Object]]:
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
