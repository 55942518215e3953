"""The statements of `sql/overview`: what a page shows. Each is bounded in rows, whatever the ledger holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from psycopg import DataError

from s3_migration.ledger.connection import MigrationLedger, ReferenceLedger, RunLedger
from s3_migration.ledger.references import identifier

# Problems that are counted at the most: beyond, a page says "or more".
COUNTED = 10_000
# What a page may ask of the database for one look, however large the ledger.
STATEMENT_TIMEOUT = "2s"


class RunShown(NamedTuple):
    run_no: int
    run_id: str
    mode: str
    partial: bool  # a canary or a slice
    remove_copies: bool
    started_at: datetime
    listed_at: datetime | None
    switched_at: datetime | None
    verified_at: datetime | None
    ended_at: datetime | None
    grace_period: timedelta
    approval_asked_at: datetime | None
    approved: bool | None
    answered_by: str | None
    answered_at: datetime | None
    account: dict[str, Any] | None
    at_work: bool  # it holds the lease
    deletion_stopped: str | None  # the reason


class ChunkTime(NamedTuple):
    step: str
    started_at: datetime
    ended_at: datetime
    objects: float


class Compared(NamedTuple):
    objects: int
    compared: int


class ProblemShown(NamedTuple):
    legacy_key: str
    problem: str
    error_code: str | None
    detail: str | None
    size: int | None
    owned_since: datetime  # by its run
    run_id: str
    acknowledged: str | None  # why


class ProblemCount(NamedTuple):
    problem: str
    objects: int
    acknowledged: int


class Story(NamedTuple):
    """All that the ledger knows of one object, and of the run that owns it."""

    legacy_key: str
    state: str
    size: int | None
    legacy_etag: str | None
    legacy_modified: datetime | None
    copied_etag: str | None
    production_etag: str | None
    production_modified: datetime | None
    switched_at: datetime | None
    legacy_gone_at: datetime | None
    problem: str | None
    error_code: str | None
    detail: str | None
    owned_since: datetime
    acknowledged: str | None
    run_no: int
    run_id: str
    mode: str
    run_listed_at: datetime | None
    run_switched_at: datetime | None
    run_verified_at: datetime | None
    grace_period: timedelta


class PastRun(NamedTuple):
    run_id: str
    mode: str
    partial: bool
    started_at: datetime
    ended_at: datetime | None
    account: dict[str, Any] | None


def find_run_shown(ledger: MigrationLedger, run_id: str) -> RunShown | None:
    return ledger.find(RunShown, "find_run_shown", run_id=run_id)


def find_runs_shown(ledger: MigrationLedger, limit: int) -> list[PastRun]:
    """The last ones, the newest first."""
    return ledger.rows(PastRun, "find_runs_shown", limit=limit)


def find_chunk_times(ledger: RunLedger) -> list[ChunkTime]:
    return ledger.rows(ChunkTime, "find_chunk_times")


def count_compared(ledger: RunLedger) -> Compared:
    return ledger.one(Compared, "count_compared")


def count_problems(ledger: MigrationLedger) -> list[ProblemCount]:
    with ledger.by_index():
        return ledger.rows(ProblemCount, "count_problems", limit=COUNTED)


def find_problems_shown(
    ledger: MigrationLedger,
    *,
    after: str,
    limit: int,
    problem: str | None = None,
    containing: str | None = None,
) -> list[ProblemShown]:
    """The next ones after this legacy key.

    :param problem: of this kind alone.
    :param containing: whose key has this in it.
    """
    with ledger.by_index():
        return ledger.rows(
            ProblemShown,
            "find_problems_shown",
            after=after,
            limit=limit,
            problem=problem,
            containing=containing,
        )


def find_paths_of_row(ledger: ReferenceLedger, row_id: str) -> list[str]:
    """The paths that a row holds; none where there is no such row, or the table has no key of one column."""
    name = ledger.first("find_row_id")
    if name is None:
        return []
    ledger.parts["row_id"] = identifier(name)
    try:
        with ledger.batch():
            return ledger.column("find_paths_of_row", row_id=row_id)
    except DataError:  # what was asked for can be no id of this table
        return []


def find_stories(ledger: MigrationLedger, keys: Sequence[str]) -> list[Story]:
    return [found for key in keys if (found := find_story(ledger, key))]


def find_story(ledger: MigrationLedger, key: str) -> Story | None:
    with ledger.by_index():
        return ledger.find(Story, "find_story", key=key)
