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


class RowsLocked(AirflowException):
    """Rows stayed locked by other transactions. Time fixes it."""


class Walk(Generic[T]):
    """Passes over the rows of one reference; the length of a piece goes on from pass to pass."""

    def __init__(self, run: Run, reference: Reference, throttle: Throttle | None = None) -> None:
        """:param throttle: is waited for before each piece; it is the caller's to tell it what was written."""
        self._run = run
        self._reference = reference
        self._throttle = throttle
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
                self._length = self._length or max(1, FIRST_PAGES // max(1, tables))
                yield from (self._one_by_one if len(runs) == 1 else self._beside)(runs, do, first, pages)
                first = max(first, pages)

    def _one_by_one(self, runs: Sequence[Run], do: Piece[T], first: int, pages: int) -> Iterator[T]:
        (run,) = runs
        while first < pages:
            self._wait()
            length = self._length
            seconds, done = self._timed(run, do, first, length)
            self._learn(length, seconds)
            first += length
            yield done

    def _beside(self, runs: Sequence[Run], do: Piece[T], first: int, pages: int) -> Iterator[T]:
        free, under_way = list(runs), dict[Future[tuple[float, T]], tuple[Run, int]]()
        with ThreadPoolExecutor(len(runs), "pass") as pool:  # ends when all that is under way has
            while first < pages or under_way:
                while free and first < pages:
                    self._wait()
                    run, length = free.pop(), self._length
                    under_way[pool.submit(self._timed, run, do, first, length)] = run, length
                    first += length
                for ended in wait(under_way, return_when=FIRST_COMPLETED).done:
                    run, length = under_way.pop(ended)
                    seconds, done = ended.result()
                    self._learn(length, seconds)
                    free.append(run)
                    yield done

    def _wait(self) -> None:
        self._run.stop_if_asked()
        if self._throttle:
            self._throttle.wait()

    def _timed(self, run: Run, do: Piece[T], first: int, length: int) -> tuple[float, T]:
        begun = time.monotonic()
        done = do(run, run.ledger.of_reference(self._reference), first, first + length)
        return time.monotonic() - begun, done

    def _learn(self, length: int, seconds: float) -> None:
        if seconds > 2 * AIM_SECONDS:
            self._length = max(1, int(length * AIM_SECONDS / seconds))
        elif seconds < AIM_SECONDS / 2:
            self._length = min(MAX_PAGES, length * 2)


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
