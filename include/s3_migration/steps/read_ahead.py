"""Before a slab of the table is switched, what its rows name is read in the ledger, in the order of keys.

A piece asks the ledger for the keys of its rows. Where these follow each other at random, as UUIDs do, every row asks
for pages of its own; and where the ledger is not in memory, each of them is a read from disk: pieces grow shorter, and
share less. Half a million keys in order share their pages, and read them from the first to the last. Nothing is
decided by it: what is not read ahead is read when the piece asks for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise

from psycopg import DatabaseError

from s3_migration.ledger import switching
from s3_migration.ledger.connection import ReferenceLedger
from s3_migration.model.reference import Reference
from s3_migration.steps.passes import Job, Walk, spread
from s3_migration.steps.run import Run

log = logging.getLogger(__name__)

# A slab is told by the first keys of so many of its pages. In memory a key takes 10 to 30 µs, from disk 100 and more.
SAMPLE_PAGES, SAMPLE_KEYS, FEW_KEYS = 128, 500, 50
COLD_SECONDS = 60e-6
# Share of the keys that follow on the one before: they ask for the same pages, or for the next ones.
ORDERED = 0.9
# After so many pages that need none of it, the next sample.
UNREAD_PAGES = 4_096
# A slab that is read ahead: of half a million keys, of some 50 characters each, or of half a gigabyte of the table,
# which the pieces find in memory then.
SLAB_BYTES, SLAB_PAGES = 48 << 20, 65_536
BYTES_A_KEY = 57  # beside its characters: of the object, and of the list that holds it
# How many pages are asked for their keys, and keys of them at most, by one statement; how many of these read by one.
GATHERED_PAGES, GATHERED_KEYS, READ_KEYS = 128, 20_000, 5_000


class ReadAhead:
    """What a walk calls before each slab of a reference's pages (passes.Ahead)."""

    def __init__(self, run: Run, reference: Reference) -> None:
        self._run = run
        self._rows = run.ledger.of_reference(reference)
        self._walk = Walk[list[str]](run, reference, most=GATHERED_PAGES)

    def __call__(self, runs: Sequence[Run], first: int, pages: int) -> int:
        if pages - first < SAMPLE_PAGES:
            return pages
        if not self._pays(first):
            return min(pages, first + UNREAD_PAGES)
        begun = time.monotonic()
        keys, last = self._gather(runs, first, min(pages, first + SLAB_PAGES))
        keys.sort()  # as the ledger's collation, "C", does
        for _ in spread(runs, self._reads(keys)):
            pass
        seconds = time.monotonic() - begun
        log.info("pages %d to %d: %d objects read ahead in the order of keys, %.1f s", first, last, len(keys), seconds)
        return last

    def _pays(self, first: int) -> bool:
        keys = _named(self._run, self._rows, first, first + SAMPLE_PAGES, limit=SAMPLE_KEYS)
        if len(keys) < FEW_KEYS or sum(one <= next_one for one, next_one in pairwise(keys)) >= ORDERED * len(keys):
            return False
        # Twice, since one of them may have waited for something else.
        return all(self._seconds(half) > COLD_SECONDS * len(half) for half in (keys[::2], keys[1::2]))

    def _seconds(self, keys: list[str]) -> float:
        begun = time.monotonic()
        _read(keys, self._run)
        return time.monotonic() - begun

    def _gather(self, runs: Sequence[Run], first: int, last: int) -> tuple[list[str], int]:
        """The keys of a slab, and the page where it ends."""
        keys, held = list[str](), 0
        while first < last and held < SLAB_BYTES:
            end = min(last, first + GATHERED_PAGES * len(runs))
            for found in self._walk.between(runs, _named, first, end):
                if held < SLAB_BYTES:
                    keys += found
                    held += sum(map(len, found)) + BYTES_A_KEY * len(found)
            first = end
        return keys, first

    def _reads(self, keys: list[str]) -> Iterator[Job[None]]:
        for at in range(0, len(keys), READ_KEYS):
            self._run.stop_if_asked()
            yield partial(_read, keys[at : at + READ_KEYS])


def _named(run: Run, rows: ReferenceLedger, first: int, last: int, limit: int = GATHERED_KEYS) -> list[str]:
    """Keys that rows of these pages name; none where they are locked, or do not tell in a second."""
    try:
        with run.ledger.batch():
            run.ledger.connection.execute("SET LOCAL statement_timeout = '1s'")
            return switching.find_named_keys(rows, f"({first},0)", f"({last},0)", limit)
    except DatabaseError as error:
        _go_on(run, error)
    return []


def _read(keys: list[str], run: Run) -> None:
    try:
        with run.ledger.batch():
            # By a bitmap of them all the server reads several pages at once; key by key it waits for each.
            run.ledger.connection.execute(
                "SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off; SET LOCAL statement_timeout = '5s'"
            )
            switching.read_objects(run.ledger, keys)
    except DatabaseError as error:
        _go_on(run, error)


def _go_on(run: Run, error: DatabaseError) -> None:
    """What is wrong for good, the switch itself meets as well, and tells."""
    if run.ledger.connection.closed:
        raise error
    log.info("not read ahead: %s", type(error).__name__)
