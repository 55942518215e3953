"""switch_paths: rows that name a legacy path whose copy is there name the copy."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timezone

from airflow.sdk.exceptions import AirflowException
from psycopg import Error, errors

from include.declaration import Declaration
from include.kinds import Step
from include.steps.run import Run, working

log = logging.getLogger(__name__)

# A transaction is to last about a quarter of a second: the pages of one batch follow from the time of the last.
AIM_SECONDS = 0.25
FIRST_PAGES = 64
MOST_PAGES = 65_536
# Passes in which rows stayed locked, with growing pauses between them, before the task gives up for now.
LOCKED_PASSES = 6

_LOCKED = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure, errors.QueryCanceled)
# Of the row itself, or of a constraint or trigger on it: the row alone is at fault.
_REFUSED = (errors.IntegrityError, errors.DataError, errors.RaiseException, errors.WithCheckOptionViolation)


class RowsLocked(AirflowException):
    """Rows stayed locked by other transactions. Time mends it."""


def switch_paths(declaration: Declaration, run_id: str) -> None:
    """Switch the rows of all that is copied, whatever failed before; then hold to the rule of red."""
    with working(declaration, run_id, "switch") as run:
        if run.mode.switches:
            switch_rows(run)
            run.ledger.execute("end_switch")
        run.require_whole(Step.SWITCH)


def switch_rows(run: Run, *, late: bool = False) -> int:
    """Pass over the table until a pass finds nothing; a single pass misses rows that an update moved behind it.

    :param late: the run's switch was over before: an object named anew starts its grace period now.
    :returns: rows switched.
    :raises RowsLocked: other transactions held rows through every pass.
    """
    total, locked_passes = 0, 0
    while True:
        switched, locked = _pass(run, datetime.now(timezone.utc) if late else None)
        total += switched
        if switched:
            log.info("pass over the table: %d rows switched, %d in all", switched, total)
        if not switched and not locked:
            return total
        if locked:
            locked_passes += 1
            if locked_passes > LOCKED_PASSES:
                raise RowsLocked(
                    f"Migration {run.declaration.name}: rows of {run.declaration.database.table} stayed locked by "
                    f"other transactions through {locked_passes} passes; {total} rows were switched. "
                    f"See pg_stat_activity and pg_locks for the holder; the task tries again by itself."
                )
            time.sleep(min(2.0**locked_passes / 4, 15))


def _pass(run: Run, switched_at: datetime | None) -> tuple[int, int]:
    """One pass over all pages. Answers rows switched and batches left because of locks."""
    pages = run.ledger.value("count_pages", table=run.ledger.parts["table"].as_string())
    switched = locked = first = 0
    length = FIRST_PAGES
    while first < pages:
        begun = time.monotonic()
        try:
            switched += _switch_pages(run, first, first + length, switched_at)
        except _LOCKED as error:
            log.info("pages %d to %d: %s", first, first + length, type(error).__name__)
            locked += 1
        seconds = time.monotonic() - begun
        first += length
        if seconds > 2 * AIM_SECONDS:
            length = max(1, length // 2)
        elif seconds < AIM_SECONDS / 2:
            length = min(MOST_PAGES, length * 2)
    return switched, locked


def _switch_pages(run: Run, first: int, last: int, switched_at: datetime | None) -> int:
    """Switch the rows of pages first to last - 1; a row that the database refuses is found and named."""
    try:
        return _switch(run, f"({first},0)", f"({last},0)", switched_at)
    except _REFUSED:
        if last - first > 1:
            middle = (first + last) // 2
            return _switch_pages(run, first, middle, switched_at) + _switch_pages(run, middle, last, switched_at)
    return sum(_switch_one(run, row["ctid"], row["legacy_key"], switched_at) for row in _rows_of(run, first))


def _rows_of(run: Run, page: int) -> list[dict[str, str]]:
    return run.ledger.execute("find_rows_to_switch", first=f"({page},0)", last=f"({page + 1},0)").fetchall()


def _switch_one(run: Run, ctid: str, key: str, switched_at: datetime | None) -> int:
    page, item = ctid.strip("()").split(",")
    try:
        return _switch(run, ctid, f"({page},{int(item) + 1})", switched_at)
    except _REFUSED as error:
        run.ledger.execute("mark_refused_row", key=key, detail=_explain(error))
        return 0


def _explain(error: Error) -> str:
    return f"{error.sqlstate}: row not switched: {str(error).splitlines()[0]}"


def _switch(run: Run, first: str, last: str, switched_at: datetime | None) -> int:
    with run.ledger.batch():
        run.lease.fence()
        switched = int(run.ledger.value("switch_rows", first=first, last=last, switched_at=switched_at))
        run.tally("rows", switched)
    return switched
