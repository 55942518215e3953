"""switch_paths: rows that name a legacy path whose copy is there name the copy."""

from __future__ import annotations

import logging
import time
from contextlib import suppress

from airflow.sdk.exceptions import AirflowException
from psycopg import DatabaseError, OperationalError, errors

from s3_migration.ledger import switching, verification
from s3_migration.ledger.connection import ReferenceLedger
from s3_migration.ledger.lease import how_to_end_lock_holders
from s3_migration.ledger.switching import RowToSwitch, SwitchFile
from s3_migration.model.declaration import Declaration
from s3_migration.model.reference import Reference
from s3_migration.model.states import Step
from s3_migration.steps.completeness import require_complete
from s3_migration.steps.run import Run, working
from s3_migration.steps.throttling import Throttle

log = logging.getLogger(__name__)

# A transaction is to last about a quarter of a second: the pages of one batch follow from the time of the last.
AIM_SECONDS = 0.25
FIRST_PAGES = 64
# Pages without such rows are passed quickly, and the next may be full of them.
MAX_PAGES = 1_024
# Passes in which rows stayed locked, with growing pauses between them, before the task gives up for now.
LOCKED_PASSES = 6
# Passes one after the other of which each switches as many rows as the one before.
MAX_IDLE_PASSES = 3
# internal_error: for what the driver refused by itself.
NO_SQLSTATE = "XX000"

# What the database says of every update of the table.
_OF_THE_TABLE = ("permission denied", "cannot update table")

_LOCKED = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure, errors.QueryCanceled)


class RowsLocked(AirflowException):
    """Rows stayed locked by other transactions. Time fixes it."""


def switch_paths(declaration: Declaration, run_id: str, *, retries_left: bool = False) -> None:
    """Switch the rows of all that is copied, whatever failed before; then hold to the rule of red."""
    with working(declaration, run_id, "switch", retries_left=retries_left) as run:
        if run.mode.switches:
            # What was proven rests on rows that are judged anew now.
            verification.begin_verification(run.ledger)
            switching.retry_refused_rows(run.ledger)
            switch_rows(run, late=run.record.switched_at is not None)
            switching.end_switch(run.ledger)
        require_complete(run, Step.SWITCH)


def switch_rows(run: Run, *, late: bool = False) -> int:
    """Switch the rows of every reference.

    :param late: the run's switch was over before: an object that rows name again starts its grace period now.
    :returns: rows switched.
    :raises RowsLocked: other transactions held rows through every pass.
    :raises ReplicasBehind: the replicas lag, and do not catch up.
    """
    return sum(_switch_reference(run, reference, late) for reference in run.declaration.references)


def _switch_reference(run: Run, reference: Reference, late: bool) -> int:
    """Pass over the table until a pass finds nothing; a single pass misses rows that an update moved behind it.

    Rows that keep their old path however often they are updated are left after passes that make no headway.
    """
    ledger = run.ledger.of_reference(reference)
    total, switched_before, idle, locked_passes, length = 0, 0, 0, 0, 0
    throttle = Throttle(run, reference, due=not late)
    while True:
        switched, locked, length = _pass(run, ledger, throttle, late, length)
        total += switched
        if switched:
            log.info("pass over %s: %d rows switched, %d in all", reference.table_name, switched, total)
        # The second pass finds what moved behind the first, and so fewer; else something sets the rows back.
        idle = idle + 1 if switched >= switched_before > 0 else 0
        switched_before = switched
        if idle >= MAX_IDLE_PASSES:
            log.warning(
                "rows of %s name a legacy path again however often they are switched: a trigger keeps the old path, or "
                "the application writes it; the verification names them",
                reference.name,
            )
            return total
        if not switched and not locked:
            return total
        if locked:
            locked_passes += 1
            if locked_passes > LOCKED_PASSES:
                holders = how_to_end_lock_holders(run.ledger, ledger.values["table"])
                raise RowsLocked(
                    f"Migration {run.declaration.name}: rows of {reference.table_name} stayed locked by "
                    f"other transactions through {locked_passes} passes; {total} rows were switched. "
                    f"Fix: an administrator ends who holds them: {holders}; the task tries again by itself."
                )
            time.sleep(min(2.0**locked_passes / 4, 15))


def _pass(run: Run, ledger: ReferenceLedger, throttle: Throttle, late: bool, length: int) -> tuple[int, int, int]:
    """One pass over all pages, at first `length` a batch (0: of the first pass).

    Answers rows switched, batches that met a lock (or lasted too long), and the length of the next batch.
    """
    try:
        pages, tables = switching.count_pages(ledger)
    except _LOCKED:
        return 0, 1, length
    length = length or max(1, FIRST_PAGES // max(1, tables))
    total = locked = first = 0
    while first < pages:
        run.stop_if_asked()
        throttle.wait()
        begun, switched = time.monotonic(), 0
        try:
            switched = _switch_pages(run, ledger, "switch_rows", first, first + length, late)
        except _LOCKED as error:
            log.info("pages %d to %d: %s", first, first + length, type(error).__name__)
            locked += 1
            with suppress(*_LOCKED):
                switched = _switch_pages(run, ledger, "switch_unlocked_rows", first, first + length, late)
        seconds = time.monotonic() - begun
        throttle.wrote(switched)
        total += switched
        first += length
        if seconds > 2 * AIM_SECONDS:
            length = max(1, int(length * AIM_SECONDS / seconds))
        elif seconds < AIM_SECONDS / 2:
            length = min(MAX_PAGES, length * 2)
    return total, locked, length


def _switch_pages(run: Run, ledger: ReferenceLedger, file: SwitchFile, first: int, last: int, late: bool) -> int:
    """Switch the rows of pages first to last - 1; a row that the database refuses is found and named.

    What lasts too long for one transaction (a slow trigger, a cold disk) is done in halves, down to single rows.
    """
    try:
        return _switch(run, ledger, file, f"({first},0)", f"({last},0)", late)
    except errors.QueryCanceled:
        log.info("pages %d to %d last too long for one transaction", first, last)
    except DatabaseError as error:
        if not _is_of_a_row(error):
            raise
    if last - first > 1:
        middle = (first + last) // 2
        halves = ((first, middle), (middle, last))
        return sum(_switch_pages(run, ledger, file, *half, late) for half in halves)
    rows = switching.find_rows_to_switch(ledger, f"({first},0)", f"({last},0)")
    return sum(_switch_one(run, ledger, file, row, late) for row in rows)


def _is_of_a_row(error: DatabaseError) -> bool:
    """Whether a constraint, a trigger (with any SQLSTATE) or a policy refused a row: that row alone is at fault."""
    # Of the states that tell of the server, 55000 may be a trigger's.
    of_server = isinstance(error, OperationalError) and not isinstance(error, errors.ObjectNotInPrerequisiteState)
    return not of_server and not str(error).startswith(_OF_THE_TABLE)


def _switch_one(run: Run, ledger: ReferenceLedger, file: SwitchFile, row: RowToSwitch, late: bool) -> int:
    page, item = row.ctid.strip("()").split(",")
    try:
        return _switch(run, ledger, file, row.ctid, f"({page},{int(item) + 1})", late, row.relation)
    except DatabaseError as error:
        if not _is_of_a_row(error):
            raise
        code = error.sqlstate or NO_SQLSTATE
        detail = f"{code}: row of {ledger.reference.name} not switched: {str(error).splitlines()[0]}"
        switching.mark_refused_row(run.ledger, row.legacy_key, code, detail)
        return 0


def _switch(
    run: Run, ledger: ReferenceLedger, file: SwitchFile, first: str, last: str, late: bool, relation: int | None = None
) -> int:
    with run.ledger.batch():
        run.lease.fence()
        # The lock time-out is for each lock; many short waits must not add up while the first rows stay locked.
        run.ledger.connection.execute("SET LOCAL statement_timeout = '1s'")
        switched = switching.switch_rows(ledger, file, first, last, late=late, relation=relation)
        run.tally("rows", switched)
        run.tally(f"rows of {ledger.reference.name}", switched)
    return switched
