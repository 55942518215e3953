"""A walk over a reference's pages, by physical ranges: no statement asks for all the rows of a table.

A pass by ctid is no snapshot of the table: a row that an update moves from ahead of it to behind it is seen in neither
place. The switch passes again until a pass finds nothing. Those that only look come right after such a pass, which has
read the same rows; and all of them look once more at the pages that were added meanwhile, where what comes and what
moves goes when the pages before have no room.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Generic, TypeVar

from airflow.sdk.exceptions import AirflowException
from psycopg import errors

from s3_migration.ledger import switching
from s3_migration.ledger.connection import Ledger, ReferenceLedger
from s3_migration.ledger.lease import how_to_end_lock_holders
from s3_migration.model.reference import Reference
from s3_migration.steps.run import Run
from s3_migration.steps.throttling import Throttle

log = logging.getLogger(__name__)

# A piece is to last about a quarter of a second: its pages follow from the time of the one before.
AIM_SECONDS = 0.25
FIRST_PAGES = 64
# Pages without such rows are passed quickly, and the next may be full of them.
MAX_PAGES = 1_024
# What one transaction of a piece may last. A single page that takes longer (values of megabytes) is given more.
MAX_SECONDS, MAX_PAGE_SECONDS = 1, 30
# How often a piece that meets a lock is looked at again, with growing pauses.
LOCKED_TRIES = 6

LOCKED = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure, errors.QueryCanceled)

T = TypeVar("T")
# What is done with the rows from page `first` to before page `last`. The run is the worker's: its ledger is the session
# to use, its lease fences there; `rows` is that ledger, of the reference.
Piece = Callable[[Run, ReferenceLedger, int, int], T]
# The same of a look, with the places (`(page,0)`) that its statements take.
Look = Callable[[Run, ReferenceLedger, str, str], T]
# What is done with whichever session is free for it.
Job = Callable[[Run], T]
# What comes before the pieces of a slab: given all the sessions, the slab's first page and the table's pages, it
# answers before which page the slab ends, so that it is called again.
Ahead = Callable[[Sequence[Run], int, int], int]


class RowsLocked(AirflowException):
    """Rows stayed locked by other transactions. Time fixes it."""


class Walk(Generic[T]):
    """Passes over the rows of one reference; the length of a piece goes on from pass to pass."""

    def __init__(
        self,
        run: Run,
        reference: Reference,
        throttle: Throttle | None = None,
        ahead: Ahead | None = None,
        most: int | None = None,
    ) -> None:
        """:param throttle: is waited for before each piece; it is the caller's to tell it what was written.
        :param ahead: for what serves many pieces at once; where there is none, all pages are one slab.
        :param most: pages of a piece; of the longest that any may have.
        """
        self._run = run
        self._reference = reference
        self._throttle = throttle
        self._ahead = ahead
        self._most = most or MAX_PAGES
        self._length = 0

    def once(self, do: Piece[T]) -> Iterator[T]:
        """One pass: what became of each piece, in order unless `parallel_passes` are declared.

        :raises RowsLocked: the table stays locked, so that not even its pages can be counted.
        """
        with workers(self._run) as runs:
            first = 0
            for _ in range(2):  # and once more, of what was added meanwhile
                rows = self._run.ledger.of_reference(self._reference)
                pages, tables = _patiently(self._run, rows, partial(switching.count_pages, rows))
                self._length = self._length or min(self._most, max(1, FIRST_PAGES // max(1, tables)))
                while first < pages:
                    last = self._ahead(runs, first, pages) if self._ahead else pages
                    # Before the end of the table a piece ends with its slab; what follows is not made ready yet.
                    yield from self.between(runs, do, first, last, whole=last >= pages)
                    first = last

    def between(self, runs: Sequence[Run], do: Piece[T], first: int, last: int, *, whole: bool = False) -> Iterator[T]:
        """What became of the pieces from page `first` to before `last`; or beyond it, if the last is to be `whole`."""
        for length, seconds, done in spread(runs, self._pieces(do, first, last, whole)):
            self._learn(length, seconds)
            yield done

    def _pieces(self, do: Piece[T], first: int, last: int, whole: bool) -> Iterator[Job[tuple[int, float, T]]]:
        self._length = self._length or 1
        while first < last:
            self._wait()
            length = self._length if whole else min(self._length, last - first)
            yield partial(self._timed, do, first, length)
            first += length

    def _wait(self) -> None:
        self._run.stop_if_asked()
        if self._throttle:
            self._throttle.wait()

    def _timed(self, do: Piece[T], first: int, length: int, run: Run) -> tuple[int, float, T]:
        begun = time.monotonic()
        done = do(run, run.ledger.of_reference(self._reference), first, first + length)
        return length, time.monotonic() - begun, done

    def _learn(self, length: int, seconds: float) -> None:
        if seconds > 2 * AIM_SECONDS:
            self._length = max(1, int(length * AIM_SECONDS / seconds))
        elif seconds < AIM_SECONDS / 2:
            # A piece may be short because its slab was.
            self._length = max(self._length, min(self._most, length * 2))


def spread(runs: Sequence[Run], jobs: Iterator[Job[T]]) -> Iterator[T]:
    """What becomes of each job; beside each other, where there are several sessions. Each is drawn when one is free."""
    if len(runs) == 1:
        for job in jobs:
            yield job(runs[0])
        return
    free, under_way = list(runs), dict[Future[T], Run]()
    with ThreadPoolExecutor(len(runs), "pass") as pool:  # ends when all that is under way has
        while True:
            for job in islice(jobs, len(free)):
                run = free.pop()
                under_way[pool.submit(job, run)] = run
            if not under_way:
                return
            for ended in wait(under_way, return_when=FIRST_COMPLETED).done:
                free.append(under_way.pop(ended))
                yield ended.result()


def look(run: Run, reference: Reference, read: Look[T]) -> Iterator[T]:
    """One pass of short transactions that hold up nobody: what each of them answers.

    `read` is called within the transaction, and again, for fewer pages, where it lasts too long or meets a lock.

    :raises RowsLocked: the table, or what is written of it, stays locked.
    """

    def piece(run: Run, rows: ReferenceLedger, first: int, last: int) -> list[T]:
        return list(_look(run, rows, first, last, read))

    for found in Walk[list[T]](run, reference).once(piece):
        yield from found


def _look(run: Run, rows: ReferenceLedger, first: int, last: int, read: Look[T]) -> Iterator[T]:
    def of_pages() -> T:
        with run.ledger.batch():
            most = MAX_SECONDS if last - first > 1 else MAX_PAGE_SECONDS
            # The lock time-out is for each lock; many short waits must not add up.
            run.ledger.connection.execute(f"SET LOCAL statement_timeout = '{most}s'")
            return read(run, rows, f"({first},0)", f"({last},0)")

    try:
        yield _patiently(run, rows, of_pages)
    except errors.QueryCanceled:
        if last - first == 1:
            raise
        log.info("pages %d to %d of %s last too long", first, last, rows.reference.table_name)
    else:
        return
    middle = (first + last) // 2
    for half in ((first, middle), (middle, last)):
        yield from _look(run, rows, *half, read)


def _patiently(run: Run, rows: ReferenceLedger, ask: Callable[[], T]) -> T:
    """What meets a lock is asked again.

    :raises RowsLocked: it meets one each time.
    """
    tries = 0
    while True:
        try:
            return ask()
        except errors.QueryCanceled:
            raise
        except LOCKED as error:
            tries += 1
            log.info("%s: %s", rows.reference.table_name, type(error).__name__)
            if tries == LOCKED_TRIES:
                raise rows_locked(run, rows, "for half a minute") from error
        time.sleep(min(2.0**tries / 4, 15))


def rows_locked(run: Run, rows: ReferenceLedger, how_long: str) -> RowsLocked:
    holders = how_to_end_lock_holders(run.ledger, rows.values["table"])
    return RowsLocked(
        f"Migration {run.declaration.name}: rows of {rows.reference.table_name} stayed locked by other transactions "
        f"{how_long}. What is done is recorded. Fix: an administrator ends who holds them: {holders}; the task tries "
        f"again by itself."
    )


@contextmanager
def workers(run: Run) -> Iterator[list[Run]]:
    """As many as `parallel_passes`: the run itself, or as it is to each of several sessions of their own."""
    declaration, number = run.declaration, run.declaration.parallel_passes
    if number == 1:
        yield [run]
        return
    with ExitStack() as opened:
        # Opened here, and not in the threads: only one of them may ask Airflow for a connection.
        connected = [opened.enter_context(closing(Ledger.connect(declaration))) for _ in range(number)]
        of_run = [
            each.of_migration(run.ledger.migration_id).of_run(run.ledger.run_no, undo=run.mode.undoes)
            for each in connected
        ]
        yield [replace(run, ledger=ledger, lease=run.lease.beside(ledger)) for ledger in of_run]
