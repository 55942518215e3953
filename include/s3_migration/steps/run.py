"""What every step works with: the run, its ledger, its lease and the S3 hooks."""

from __future__ import annotations

import gc
import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from threading import Event

from airflow.sdk.exceptions import AirflowException, AirflowFailException
from botocore.exceptions import ClientError
from psycopg import Error, OperationalError
from psycopg.errors import InsufficientPrivilege

from s3_migration.ledger.chunk import Chunk
from s3_migration.ledger.connection import Ledger, RunLedger, first_line
from s3_migration.ledger.counting import Counted, States, count_states
from s3_migration.ledger.deletion import wait_for_deletions
from s3_migration.ledger.lease import Lease
from s3_migration.ledger.run import (
    RunRecord,
    add_tally,
    begin_timing,
    end_timing,
    find_chunk,
    find_migration,
    find_run,
)
from s3_migration.model.declaration import Declaration
from s3_migration.model.error_codes import retryable
from s3_migration.model.identity import identity
from s3_migration.model.key_mapping import KeyMapping
from s3_migration.model.modes import Mode
from s3_migration.s3.errors import STORE_ERRORS, error_code, error_text
from s3_migration.s3.hook import BulkS3Hook
from s3_migration.steps import metrics
from s3_migration.steps.hooks import opened_hooks
from s3_migration.steps.pace import Pacer
from s3_migration.steps.stopping import Stopped, listening

log = logging.getLogger(__name__)

# What each step does, as the first line of its log has it.
DOES = {
    "list": "lists both sides into the ledger",
    "copy": "copies what production lacks",
    "switch": "points rows at what they are to name",
    "grace": "waits for the grace period, where that is short",
    "verify": "looks at both sides and at the rows again, independently of the copying",
    "gate": "decides whether anything may be deleted",
    "delete": "deletes what is proven, each object only while it is what was copied",
    "reconcile": "holds legacy, production and rows against each other; then the account",
}

# How long the lease outlasts a task: until the run's next one has a worker slot, or until its own next try.
LEASE_BETWEEN_TASKS = timedelta(minutes=5)
LEASE_BEFORE_RETRY = timedelta(minutes=20)


class ListingUnfinished(AirflowFailException):
    """The step that this one builds on never finished."""


class DeclarationChanged(AirflowFailException):
    """The run was checked with other buckets, prefixes or references than are declared now."""


class ConnectionLost(AirflowException):
    """The database went away in the middle of a step. Time fixes it, and the next try goes on."""


class RightMissing(AirflowFailException):
    """The database refuses what check saw it allow: a person has taken a right away."""


class StoreRefused(AirflowFailException):
    """The store refuses what the whole step rests on: a person has to look."""


class StoreRetryable(AirflowException):
    """As StoreRefused, with an error that time fixes."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of a migration, within one of its tasks."""

    declaration: Declaration
    run_id: str
    record: RunRecord
    step: str
    chunk: Chunk
    ledger: RunLedger
    lease: Lease
    legacy: BulkS3Hook
    production: BulkS3Hook
    stopping: Event
    pacer: Pacer
    did: Counter[str] = field(default_factory=Counter)  # what this try has counted

    @property
    def mode(self) -> Mode:
        return self.record.mode

    @property
    def takes_all(self) -> bool:
        """Whether all of legacy is in its scope, so that what it does not see is not there."""
        return self.record.object_limit is None and self.record.time_window is None and not self.mode.undoes

    @property
    def deletes(self) -> bool:
        """Of legacy, or of production."""
        return self.mode.deletes or self.record.remove_copies

    @property
    def wants_approval(self) -> bool:
        """Whether a person has a say in what it deletes: by its check's declaration or by that of now."""
        declared = self.record.approve_deletion or self.declaration.approve_deletion
        return self.mode.deletes and declared is not None

    @property
    def wants_approval_of_each(self) -> bool:
        """Whether that is for what the run owned when it asked (`every`), and for nothing else."""
        return self.mode.deletes and "every" in (self.record.approve_deletion, self.declaration.approve_deletion)

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
        return self.count_states().all

    def count_states(self) -> States:
        """As `states`, and how many of them a person has acknowledged."""
        return States.total(each for _, each in self.count_ranges())

    def count_ranges(self) -> Counted:
        """The same by ranges of keys."""
        return count_states(self.ledger, self.chunk)

    def tally(self, what: str, number: int, *, add: bool = True) -> None:
        if number or not add:
            add_tally(self.ledger, self.step, what, number, self.chunk.number, add=add)
            self.did[what] = number + (self.did[what] if add else 0)
            metrics.counted(self.declaration.name, self.step, what, number, add=add)

    def tally_requests(self) -> None:
        """Move the hooks' counters into the ledger."""
        counted = self.legacy.take_requests()
        if self.production is not self.legacy:
            counted += self.production.take_requests()
        for (operation, outcome), number in sorted(counted.items()):
            self.tally(f"S3 {operation} {outcome}", number)


@cache
def _keep_what_is_loaded() -> None:
    """What Airflow has loaded stays: else the collector walks all of it again for every few pages of objects.

    Once a process: frozen again, what an earlier step left to be collected (its S3 clients) would stay as well. Whether
    anything is frozen does not tell: Celery's processes begin with what it froze itself.
    """
    gc.freeze()


@contextmanager
def working(
    declaration: Declaration, run_id: str, step: str, chunk: int = 0, *, retries_left: bool = False
) -> Iterator[Run]:
    """The run for one task's work: under the lease, timed, its requests counted whatever comes.

    :param retries_left: Airflow tries the task again where it fails: the lease is kept until then.
    :raises ListingUnfinished: the check or the listing never finished.
    :raises LeaseHeld: another run of this migration is at work.
    """
    _keep_what_is_loaded()
    with closing(Ledger.connect(declaration)) as connected, opened_hooks(declaration) as (legacy, production):
        migration = find_migration(connected, declaration.name)
        of_migration = connected.of_migration(migration.migration_id) if migration else None
        record = find_run(of_migration, run_id) if of_migration else None
        if of_migration is None or record is None or (record.listed_at is None and step != "list"):
            raise ListingUnfinished(
                f"Migration {declaration.name}: the listing of run {run_id} never finished, so {step} has nothing to "
                f"rest on. Fix: clear check or list_legacy, whichever failed, with its downstream."
            )
        if migration and migration.declared and migration.declared != identity(declaration):
            raise DeclarationChanged(
                f"Migration {declaration.name}: the declaration was changed since run {run_id} was checked. "
                f"Nothing more was done. Fix: trigger a new run; or put the declaration back, and clear this task with "
                f"its downstream (docs/runbook.md#the-declaration-was-changed)."
            )
        ledger = of_migration.of_run(record.run_no, undo=record.mode.undoes)
        with listening() as stopping, Lease(ledger) as lease:
            run = Run(
                declaration=declaration,
                run_id=run_id,
                record=record,
                step=step,
                chunk=find_chunk(ledger, chunk),
                ledger=ledger,
                lease=lease,
                legacy=legacy,
                production=production,
                stopping=stopping,
                pacer=Pacer(declaration, ledger, step, legacy, production),
            )
            of_chunk = f", chunk {chunk}" if chunk else ""
            log.info("%s%s: %s (run %s, mode %s)", step, of_chunk, DOES[step], run_id, record.mode.value)
            begun = time.monotonic()
            begin_timing(ledger, step, chunk)
            try:
                _wait_for_deletions(run)
                if chunk:
                    run.pacer.wait_for_slot(run.stop_if_asked)
                yield run
                log.info("%s%s: done in %.1f s: %s", step, of_chunk, time.monotonic() - begun, _did(run))
            except BaseException as error:
                # SIGTERM: a worker goes, or a person marked the task failed and wants the next run.
                said = _explained(run, error)
                log.info("%s%s: ended after %.1f s: %s", step, of_chunk, time.monotonic() - begun, _did(run))
                retried = retries_left and not isinstance(said, (AirflowFailException, Stopped))
                try:
                    _end(run, LEASE_BEFORE_RETRY if retried else LEASE_BETWEEN_TASKS)
                except Error as second:  # the first error is the one to show
                    log.warning("the end of this try is not recorded, nor all of its S3 requests: %s", second)
                if said is not error:
                    raise said from error
                raise
            _end(run, LEASE_BETWEEN_TASKS)


def _did(run: Run) -> str:
    """What this try has counted; requests and parts of a number stand in the account."""
    done = {what: number for what, number in run.did.items() if number and not what.startswith(("S3 ", "class "))}
    return ", ".join(f"{number:,} {what}" for what, number in sorted(done.items()) if " of " not in what) or "no change"


def _explained(run: Run, error: BaseException) -> BaseException:
    """What a task ends with: the error, or one that says what to do about it."""
    name, database = run.declaration.name, run.declaration.database.conn_id
    if isinstance(error, OperationalError) and run.ledger.session.lost:
        return ConnectionLost(
            f"Migration {name}: the connection to the database was lost during {run.step}: "
            f"{first_line(error)}. What is done is recorded. Fix: see that the server of "
            f"{database!r} is up; the next try goes on, or clear this task."
        )
    if isinstance(error, InsufficientPrivilege):
        return RightMissing(
            f"Migration {name}, {run.step}: the role of {database!r} has lost a right that check saw: "
            f"{first_line(error)}. What is done is recorded. Fix: an administrator gives the right back "
            f"(python -m s3_migration setup {name} --sql | psql …; BYPASSRLS where row-level security is on), "
            f"then clear this task with its downstream."
        )
    if isinstance(error, STORE_ERRORS):  # of a listing or a look: what one object met, the ledger says
        operation = f"{error.operation_name}: " if isinstance(error, ClientError) else ""
        sides = f"s3://{run.legacy_bucket}/{run.keys.legacy_prefix} or s3://{run.production_bucket}"
        return (StoreRetryable if retryable(error_code(error)) else StoreRefused)(
            f"Migration {name}, {run.step}: the store, asked about {sides}/{run.keys.production_prefix}, "
            f"says {operation}{error_text(error).rstrip('.')}. Nothing was concluded from it; what is done stays. "
            f"Fix: remove the cause, then clear this task with its downstream (docs/runbook.md#copy_chunk-is-red)."
        )
    return error


def _wait_for_deletions(run: Run) -> None:
    """The chunks of one run delete beside each other; all else waits."""

    def say(left: timedelta) -> None:
        log.info("deletions that nobody has ended may take effect for %s more: waiting for that", left)

    chunk, deletes = run.chunk.number, run.step == "delete" and run.chunk.number > 0
    for _ in wait_for_deletions(run.ledger, say, run_no=run.record.run_no, chunk=chunk, beside=deletes):
        run.stop_if_asked()


def _end(run: Run, pause: timedelta) -> None:
    """Keep the lease for so long, and record what the task took: over a new connection where it lost its own."""
    if run.ledger.session.lost:
        run.ledger.session.reopen()
    run.lease.hold(pause)
    run.tally_requests()
    end_timing(run.ledger, run.step, run.chunk.number)
