"""The statements of `sql/listing` that take a slice of a listing from the staging tables into the ledger.

Where its lanes stand: `ledger/lanes.py`; how many objects rows name: `ledger/sample.py`; chunks: `ledger/chunks.py`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from psycopg.errors import InvalidParameterValue

from s3_migration.ledger.connection import Ledger, MigrationLedger, RunLedger

# What is counted slice by slice.
FOUND = ("objects", "bytes", "already_there", "conflict")


class Looked(NamedTuple):
    """Keys that legacy should hold, some of which the listing has not shown."""

    last_key: str | None  # that was looked at; None: there are no more
    keys: list[str] | None


def begin_listing(ledger: RunLedger, token: int) -> bool:
    """Whether it goes on where one was killed.

    :param token: of the run's lease.
    """
    return bool(ledger.value("begin_listing", token=token))


def end_listing(ledger: RunLedger) -> None:
    ledger.execute("end_listing")


def reset_found(ledger: RunLedger) -> None:
    """Nothing of `FOUND` is counted yet."""
    ledger.execute("reset_found", found=list(FOUND))


# -- what a slice has ---------------------------------------------------------------------------------------------


def raise_temp_buffers(ledger: Ledger) -> None:
    """What is staged, and the sample, stay in memory; unless the session has made a staging table before."""
    with suppress(InvalidParameterValue):
        ledger.connection.execute("SET temp_buffers = '64MB'")


def find_unlisted_copies(ledger: MigrationLedger) -> list[str]:
    """Their legacy keys, in order."""
    return ledger.column("find_unlisted_copies")


def forecast(ledger: RunLedger) -> dict[str, int]:
    """Number by what (`FOUND`)."""
    return ledger.one(dict[str, int], "forecast")


def find_conflicts(ledger: MigrationLedger, limit: int) -> list[str]:
    """At most so many."""
    return ledger.column("find_conflicts", limit=limit)


# -- into the ledger ----------------------------------------------------------------------------------------------


def adopt(ledger: RunLedger) -> None:
    """Make the run the owner of what the ledger knows of the slice."""
    ledger.execute("adopt")


def judge_listed(ledger: RunLedger) -> None:
    ledger.execute("judge_listed")


def judge_gone(ledger: MigrationLedger) -> None:
    ledger.execute("judge_gone")


def judge_unlisted_rows(ledger: RunLedger) -> None:
    ledger.execute("judge_unlisted_rows")


def insert_listed(ledger: RunLedger) -> None:
    ledger.execute("insert_listed")


def mark_unreferenced(ledger: RunLedger) -> None:
    ledger.execute("mark_unreferenced")


# -- what no slice had --------------------------------------------------------------------------------------------


def find_unlisted(ledger: RunLedger, after: str, limit: int) -> Looked:
    """Of the next keys after this one that legacy should hold, those that the listing has not shown."""
    return ledger.one(Looked, "find_unlisted", after=after, limit=limit)


def find_unlisted_problems(ledger: RunLedger, after: str, limit: int) -> list[str]:
    """The next keys after this one that are red, and gone from legacy."""
    return ledger.column("find_unlisted_problems", after=after, limit=limit)


def find_died_runs(ledger: RunLedger) -> list[int]:
    """Runs that were deleting and never ended."""
    return ledger.column("find_died_runs")


def count_ledger_pages(ledger: Ledger) -> int:
    return int(ledger.value("count_ledger_pages"))


def find_finished_of(ledger: MigrationLedger, runs: list[int], first_page: int, last_page: int) -> list[str]:
    """What these runs have finished, in the ledger's pages from the first to before the last."""
    places = {"first": f"({first_page},0)", "last": f"({last_page},0)"}
    return ledger.column("find_finished_of", runs=runs, **places)


def count_gone(ledger: RunLedger) -> int:
    return int(ledger.value("count_gone"))
