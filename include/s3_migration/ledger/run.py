"""The statements of `sql/run`: the run and its chunks, what it counted, and what check asks of the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from s3_migration.ledger.chunk import WHOLE_RUN, Chunk
from s3_migration.ledger.connection import Ledger, MigrationLedger, RunLedger
from s3_migration.model.modes import Mode
from s3_migration.model.time_window import TimeWindow

# -- before a run -------------------------------------------------------------------------------------------------


class LedgerThere(NamedTuple):
    """Whether the set-up has been run, and for this role."""

    schema_there: bool
    may_use: bool | None


class Migration(NamedTuple):
    migration_id: int
    deletion_stopped: str | None  # the reason
    declared: dict[str, Any] | None  # model/identity.py; None: no run has checked it yet


def check_ledger(ledger: Ledger) -> LedgerThere:
    return ledger.one(LedgerThere, "check_ledger")


def schema_version(ledger: Ledger) -> int | None:
    return ledger.value("schema_version")  # type: ignore[no-any-return]


def behind_a_pooler(ledger: Ledger) -> bool:
    """Whether another server process answers than the one that the connection was made with."""
    return bool(ledger.value("backend_pid") != ledger.connection.info.backend_pid)


def database_time(ledger: Ledger) -> datetime:
    return ledger.value("database_time")  # type: ignore[no-any-return]


def find_migration(ledger: Ledger, name: str) -> Migration | None:
    return ledger.find(Migration, "find_migration", name=name)


def find_switched(ledger: MigrationLedger) -> list[str]:
    """Names of the references of which rows were switched; `*` stands for all."""
    return ledger.column("find_switched")


def keep_declared(ledger: MigrationLedger, declared: str) -> None:
    """:param declared: JSON."""
    ledger.execute("keep_declared", declared=declared)


# -- the run ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RunRecord:
    """What was asked of a run, and which of its steps have ended."""

    run_no: int
    mode: Mode
    object_limit: int | None
    grace_period: timedelta
    time_window: TimeWindow | None  # only what was last modified in it
    remove_copies: bool
    listed_at: datetime | None
    switched_at: datetime | None  # when an earlier try of this run's switch was over
    approve_deletion: str | None  # as declared when it was checked
    approved: bool | None  # by `answered_by`; None: nobody has answered
    answered_at: datetime | None
    answered_by: str | None


def invalidate_run(ledger: Ledger, name: str, run_id: str) -> None:
    ledger.execute("invalidate_run", name=name, run_id=run_id)


def open_run(
    ledger: MigrationLedger,
    run_id: str,
    mode: Mode,
    *,
    grace_period: timedelta,
    object_limit: int | None = None,
    time_window: TimeWindow | None = None,
    remove_copies: bool = False,
) -> RunLedger:
    """Write down what is asked of the run; it keeps its number when it starts over."""
    run_no = ledger.value(
        "open_run",
        run_id=run_id,
        mode=mode.value,
        object_limit=object_limit,
        grace_period=grace_period,
        window_start=time_window and time_window.start,
        window_end=time_window and time_window.end,
        remove_copies=remove_copies,
    )
    return ledger.of_run(run_no, undo=mode.undoes)


def find_run(ledger: MigrationLedger, run_id: str) -> RunRecord | None:
    row = ledger.find(dict[str, Any], "find_run", run_id=run_id)
    if row is None:
        return None
    return RunRecord(
        run_no=row["run_no"],
        mode=Mode(row["mode"]),
        object_limit=row["object_limit"],
        grace_period=row["grace_period"],
        time_window=TimeWindow(row["window_start"], row["window_end"]) if row["window_start"] else None,
        remove_copies=row["remove_copies"],
        listed_at=row["listed_at"],
        switched_at=row["switched_at"],
        approve_deletion=row["approve_deletion"],
        approved=row["approved"],
        answered_at=row["answered_at"],
        answered_by=row["answered_by"],
    )


class LatestRun(NamedTuple):
    """The migration's last run, whatever it was for."""

    run_id: str
    mode: str
    partial: bool  # a canary or a slice
    started_at: datetime
    ended_at: datetime | None  # None: it is at work, or was killed, or never came to its end
    approval_asked_at: datetime | None  # when it last asked a person whether objects may be deleted
    approved: bool | None  # by `answered_by`; None: nobody has answered
    answered_by: str | None
    answered_at: datetime | None

    @property
    def waits_for_a_person(self) -> bool:
        """It has asked, and has neither been answered nor ended since. A rejection is kept while it asks again."""
        asked_at = self.approval_asked_at
        if asked_at is None or self.approved:
            return False
        return all(since is None or since < asked_at for since in (self.answered_at, self.ended_at))


class StepAtWork(NamedTuple):
    step: str
    tasks: int
    since: datetime


def find_latest_run(ledger: MigrationLedger) -> LatestRun | None:
    return ledger.find(LatestRun, "find_latest_run")


def find_steps_at_work(ledger: MigrationLedger) -> list[StepAtWork]:
    return ledger.rows(StepAtWork, "find_steps_at_work")


def owns_objects(ledger: RunLedger) -> bool:
    """Else no row can name one of its objects, and nothing of it can be deleted."""
    with ledger.by_index():
        return bool(ledger.value("owns_objects"))


def find_last_mode(ledger: MigrationLedger, run_id: str) -> Mode | None:
    """Of the last other run that changed anything."""
    modes = ledger.column("find_last_mode", run_id=run_id)
    return Mode(modes[0]) if modes else None


def end_run(ledger: RunLedger, account: str) -> None:
    """:param account: JSON."""
    ledger.execute("end_run", account=account)


# -- chunks -----------------------------------------------------------------------------------------------------


def find_chunk_of(ledger: RunLedger, key: str) -> int | None:
    """The number of the chunk that holds this legacy key."""
    return ledger.first("find_chunk_of", key=key)  # type: ignore[no-any-return]


def find_chunk(ledger: RunLedger, number: int) -> Chunk:
    return Chunk(number, **ledger.one(dict[str, Any], "find_chunk", chunk=number)) if number else WHOLE_RUN


# -- what was counted and timed -----------------------------------------------------------------------------------


def add_tally(ledger: RunLedger, step: str, what: str, number: int, chunk: int = 0, *, add: bool = True) -> None:
    """Count what was done; with `add=False` the number replaces what an earlier try counted."""
    ledger.execute("add_tally", step=step, what=what, number=number, chunk=chunk, add=add)


def find_tallies(ledger: RunLedger) -> dict[tuple[str, str], int]:
    """Number by step and what."""
    return {(row["step"], row["what"]): row["number"] for row in ledger.execute("find_tallies")}


def begin_timing(ledger: RunLedger, step: str, chunk: int) -> None:
    ledger.execute("begin_timing", step=step, chunk=chunk)


def end_timing(ledger: RunLedger, step: str, chunk: int) -> None:
    ledger.execute("end_timing", step=step, chunk=chunk)


class StepTimes(NamedTuple):
    step: str
    tasks: int
    at_work: int  # of them, now
    began_at: datetime
    ended_at: datetime  # the last of its tasks; now, while one is at work
    seconds: float  # at work


def find_timings(ledger: RunLedger) -> list[StepTimes]:
    """Of each step that began, in that order."""
    return ledger.rows(StepTimes, "find_timings")


def find_observed_rate(ledger: MigrationLedger, enough: int) -> float | None:
    """Objects a second of the latest run that copied as many as `enough`."""
    return next(iter(ledger.column("find_observed_rate", enough=enough)), None)
