"""switch_paths: rows that name a legacy path whose copy is there name the copy."""

from __future__ import annotations

import logging
import time
from contextlib import suppress

from psycopg import DatabaseError, OperationalError, errors

from s3_migration.ledger import switching, verification
from s3_migration.ledger.connection import ReferenceLedger
from s3_migration.ledger.run import owns_objects
from s3_migration.ledger.switching import RowToSwitch, SwitchFile
from s3_migration.model.declaration import Declaration
from s3_migration.model.reference import Reference
from s3_migration.model.states import Step
from s3_migration.steps.completeness import require_complete
from s3_migration.steps.passes import LOCKED, Walk, rows_locked
from s3_migration.steps.run import Run, working
from s3_migration.steps.throttling import Throttle

log = logging.getLogger(__name__)

# Passes in which rows stayed locked, with growing pauses between them, before the task gives up for now.
LOCKED_PASSES = 6
# Passes one after the other of which each switches as many rows as the one before.
MAX_IDLE_PASSES = 3
# internal_error: for what the driver refused by itself.
NO_SQLSTATE = "XX000"

# What the database says of every update of the table.
_OF_THE_TABLE = ("permission denied", "cannot update table")


def switch_paths(declaration: Declaration, run_id: str, *, retries_left: bool = False) -> None:
    """Switch the rows of all that is copied, whatever failed before; then hold to the rule of red."""
    with working(declaration, run_id, "switch", retries_left=retries_left) as run:
        if run.mode.switches:
            # What was proven rests on rows that are judged anew now.
            verification.begin_verification(run.ledger)
            switching.retry_refused_rows(run.ledger)
            if owns_objects(run.ledger):  # else a night with nothing to do reads no row for it
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
    total, switched_before, idle, locked_passes = 0, 0, 0, 0
    throttle = Throttle(run, reference, due=not late)
    walk: Walk[tuple[int, int]] = Walk(run, reference, throttle)
    while True:
        switched, locked = _pass(walk, throttle, late)
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
                raise rows_locked(run, ledger, f"through {locked_passes} passes; {total} rows were switched")
            time.sleep(min(2.0**locked_passes / 4, 15))


def _pass(walk: Walk[tuple[int, int]], throttle: Throttle, late: bool) -> tuple[int, int]:
    """One pass over all pages: rows switched, and pieces that met a lock (or lasted too long)."""
    total = locked = 0

    def piece(run: Run, rows: ReferenceLedger, first: int, last: int) -> tuple[int, int]:
        return _switch_piece(run, rows, first, last, late)

    for switched, met in walk.once(piece):
        throttle.wrote(switched)
        total += switched
        locked += met
    return total, locked


def _switch_piece(run: Run, ledger: ReferenceLedger, first: int, last: int, late: bool) -> tuple[int, int]:
    try:
        return _switch_pages(run, ledger, "switch_rows", first, last, late), 0
    except LOCKED as error:
        log.info("pages %d to %d: %s", first, last, type(error).__name__)
    with suppress(*LOCKED):
        return _switch_pages(run, ledger, "switch_unlocked_rows", first, last, late), 1
    return 0, 1


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
