"""What every step works with: the run, its ledger, its lease and the S3 hooks."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from threading import Event
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from s3_migration.ledger.connection import Ledger
from s3_migration.ledger.lease import Lease
from s3_migration.model.declaration import Declaration
from s3_migration.model.error_codes import retryable
from s3_migration.model.key_mapping import KeyMapping
from s3_migration.model.modes import Mode
from s3_migration.model.states import Step, incomplete_states
from s3_migration.model.time_window import TimeWindow
from s3_migration.s3.hook import BulkS3Hook
from s3_migration.steps.stopping import Stopped, listening

log = logging.getLogger(__name__)

# How long the lease outlasts a task: until the run's next one has a worker slot, or until its own next try.
LEASE_BETWEEN_TASKS = timedelta(minutes=5)
LEASE_BEFORE_RETRY = timedelta(minutes=20)

# No key sorts after it.
LAST_KEY = "\U0010ffff" * 256

SECONDS_BETWEEN_LOGS = 5

# How many problems a message names; the ledger has them all.
NAMED = 10


class Incomplete(AirflowFailException):
    """A range that this step should have made whole is not: a person has to look, then clear the task."""


class IncompleteRetryable(AirflowException):
    """As Incomplete, but every error in it is one that time fixes: worth a retry."""


class ListingUnfinished(AirflowFailException):
    """The step that this one builds on never finished."""


@dataclass(frozen=True)
class Chunk:
    """A range of keys; number 0 is the whole run."""

    number: int = 0
    first_key: str | None = None
    last_key: str | None = None
    objects: int = 0

    @property
    def bounds(self) -> dict[str, str | None]:
        return {"first_key": self.first_key, "last_key": self.last_key}

    @property
    def label(self) -> str:
        return f"{self.number}: {_legible(self.first_key)} … {_legible(self.last_key)}"


def _legible(key: str | None) -> str:
    """A key as part of a label: Airflow keeps 250 characters of one, and fails the task that has more."""
    text = "".join(character if character.isprintable() else "?" for character in key or "")
    return text if len(text) <= 50 else f"{text[:49]}…"


@dataclass(frozen=True)
class States:
    """Objects by state, and those of them whose problem a person has acknowledged."""

    all: dict[str, int]
    acknowledged: dict[str, int]

    @property
    def unacknowledged(self) -> dict[str, int]:
        return {state: objects - self.acknowledged[state] for state, objects in self.all.items()}


@dataclass
class Run:
    """A run of a migration, within one of its tasks."""

    declaration: Declaration
    run_id: str
    run_no: int
    mode: Mode
    limit: int | None
    grace_period: timedelta
    time_window: TimeWindow | None  # only what was last modified in it
    remove_copies: bool
    switched_at: datetime | None  # when an earlier try of this run's switch was over
    step: str
    ledger: Ledger
    lease: Lease
    legacy: BulkS3Hook
    production: BulkS3Hook
    stopping: Event
    chunk: Chunk = Chunk()

    @property
    def takes_all(self) -> bool:
        """Whether all of legacy is in its scope, so that what it does not see is not there."""
        return self.limit is None and self.time_window is None and not self.mode.undoes

    @property
    def deletes(self) -> bool:
        """Of legacy, or of production."""
        return self.mode.deletes or self.remove_copies

    def stop_if_asked(self) -> None:
        """Between two batches.

        :raises Stopped: the worker wants the task to end.
        """
        if self.stopping.is_set():
            raise Stopped(f"Migration {self.declaration.name}: asked to stop; what is done is recorded")

    @property
    def keys(self) -> KeyMapping:
        return self.declaration.keys

    @property
    def legacy_bucket(self) -> str:
        return self.declaration.legacy.bucket

    @property
    def production_bucket(self) -> str:
        return self.declaration.production.bucket

    def states(self) -> dict[str, int]:
        """Objects of the chunk by state."""
        return self.count_states_with_acknowledged().all

    def count_states_with_acknowledged(self) -> States:
        """As `states`, and how many of them a person has acknowledged."""
        rows = self.ledger.execute("count_states", **self.chunk.bounds).fetchall()
        return States(
            {row["state"]: row["objects"] for row in rows}, {row["state"]: row["acknowledged"] for row in rows}
        )

    @contextmanager
    def labelled(self, label: Callable[[str], None]) -> Iterator[None]:
        """Tell the chunk's range before the work, and its objects by state after it, however it ends."""
        label(self.chunk.label)
        try:
            yield
        finally:
            counts = ", ".join(f"{number} {state}" for state, number in sorted(self.states().items()))
            label(f"{self.chunk.label}: {counts}")

    def tally(self, what: str, number: int, *, add: bool = True) -> None:
        if number or not add:
            self.ledger.add_tally(self.step, what, number, self.chunk.number, add=add)

    def tally_requests(self) -> None:
        """Move the hooks' counters into the ledger."""
        counted = self.legacy.take_requests()
        if self.production is not self.legacy:
            counted += self.production.take_requests()
        for (operation, outcome), number in sorted(counted.items()):
            self.tally(f"S3 {operation} {outcome}", number)

    def require_complete(self, step: Step, *, retry: bool = False) -> None:
        """The rule of red: fail if anything of the chunk is incomplete up to and including the step.

        :param retry: a retry of this very task would try again what failed.
        :raises Incomplete: names what, why and what next.
        :raises IncompleteRetryable: the same, and time may fix all of it.
        """
        left = incomplete_states(
            self.count_states_with_acknowledged().unacknowledged, self.mode, step, remove_copies=self.remove_copies
        )
        if not left:
            return
        named = self.ledger.execute("find_problems", **self.chunk.bounds, states=list(left), limit=NAMED).fetchall()
        total = sum(left.values())
        lines = [f"  {row['state']}: {row['legacy_key']!r}: {row['detail'] or 'no detail'}" for row in named]
        if total > len(lines) > 0:
            lines.append(f"  … and {total - len(lines)} more, each in s3_migration.ledger with its detail")
        fixable = retry and set(left) == {"failed"} and self._only_retryable_failures()
        raise (IncompleteRetryable if fixable else Incomplete)(
            f"{_place(self)}: incomplete after {self.step}: "
            + ", ".join(f"{number} {state}" for state, number in sorted(left.items()))
            + ".\n"
            + "\n".join(lines)
            + "\nAll others went on. Fix the cause, then clear the first red task of the run with its downstream, "
            "or all that failed: docs/runbook.md"
        )

    def _only_retryable_failures(self) -> bool:
        return all(retryable(row["code"]) for row in self.ledger.execute("find_failure_codes", **self.chunk.bounds))


class Progress:
    """Says how far the work is, in the task's log, every few seconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def tell(self, text: str, *values: object) -> None:
        if time.monotonic() - self._last > SECONDS_BETWEEN_LOGS:
            self._last = time.monotonic()
            log.info(text, *values)


def _place(run: Run) -> str:
    name, chunk = run.declaration.name, run.chunk
    return f"Migration {name}, chunk {chunk.label}" if chunk.number else f"Migration {name}"


def s3_hooks(declaration: Declaration, **options: Any) -> tuple[BulkS3Hook, BulkS3Hook]:
    """The hooks of legacy and production; one and the same where the connection is one."""
    options = {"requests_in_flight": declaration.requests_in_flight, "engine": declaration.engine, **options}
    legacy = BulkS3Hook(declaration.legacy.conn_id, **options)
    if declaration.production.conn_id == declaration.legacy.conn_id:
        return legacy, legacy
    return legacy, BulkS3Hook(declaration.production.conn_id, **options)


@cache
def _keep_what_is_loaded() -> None:
    """What Airflow has loaded stays: else the collector walks all of it again for every few pages of objects.

    Once a process: frozen again, what an earlier step left to be collected (its S3 clients) would stay as well. Whether
    anything is frozen does not tell: Celery's processes begin with what it froze itself.
    """
    gc.freeze()


@contextmanager
def working(declaration: Declaration, run_id: str, step: str, chunk: int = 0) -> Iterator[Run]:
    """The run for one task's work: under the lease, timed, its requests counted whatever comes.

    :raises ListingUnfinished: the check or the listing never finished.
    :raises LeaseHeld: another run of this migration is at work.
    """
    _keep_what_is_loaded()
    ledger = Ledger.connect(declaration)
    legacy, production = s3_hooks(declaration)
    try:
        row = _find_run(ledger, run_id)
        if row is None or (row["listed_at"] is None and step != "list"):
            raise ListingUnfinished(
                f"Migration {declaration.name}: the listing of run {run_id} never finished, so {step} has nothing to "
                f"rest on. Clear check or list_legacy, whichever failed, with its downstream."
            )
        mode = Mode(row["mode"])
        ledger.of_run(row["run_no"], undo=mode.undoes)
        with listening() as stopping, Lease(ledger, row["run_no"]) as lease:
            run = Run(
                declaration,
                run_id,
                row["run_no"],
                mode,
                row["object_limit"],
                row["grace_period"],
                TimeWindow(row["window_start"], row["window_end"]) if row["window_start"] else None,
                row["remove_copies"],
                row["switched_at"],
                step,
                ledger,
                lease,
                legacy,
                production,
                stopping,
                _find_chunk(ledger, chunk),
            )
            ledger.execute("begin_timing", step=step, chunk=chunk)
            pause = LEASE_BETWEEN_TASKS
            try:
                yield run
            except (AirflowFailException, Stopped):
                raise
            except AirflowException:
                pause = LEASE_BEFORE_RETRY
                raise
            finally:
                run.tally_requests()
                ledger.execute("end_timing", step=step, chunk=chunk)
                lease.hold(pause)
    finally:
        legacy.close()
        production.close()
        ledger.close()


def _find_run(ledger: Ledger, run_id: str) -> dict[str, Any] | None:
    migration = ledger.find("find_migration", name=ledger.declaration.name)
    if migration is None:
        return None
    ledger.of_migration(migration["migration_id"])
    return ledger.find("find_run", run_id=run_id)


def _find_chunk(ledger: Ledger, number: int) -> Chunk:
    return Chunk(number, **ledger.one("find_chunk", chunk=number)) if number else Chunk()
