"""The statements of `sql/listing`: from the staging tables into the ledger, and into chunks."""

from __future__ import annotations

from typing import NamedTuple

from s3_migration.ledger.connection import Ledger, MigrationLedger, RunLedger


class ForecastProblem(NamedTuple):
    problem: str
    key: str


def begin_listing(ledger: RunLedger) -> None:
    ledger.execute("begin_listing")


def end_listing(ledger: RunLedger) -> None:
    ledger.execute("end_listing")


def raise_work_mem(ledger: Ledger) -> None:
    ledger.execute("raise_work_mem")


# -- what the listing found ---------------------------------------------------------------------------------------


def find_unlisted_rows(ledger: Ledger) -> None:
    """Fill staging table `rows`."""
    ledger.execute("find_unlisted_rows")


def drop_listed_rows(ledger: Ledger) -> None:
    ledger.execute("drop_listed_rows")


def find_unlisted_copies(ledger: MigrationLedger) -> list[str]:
    """Their legacy keys, in order."""
    return ledger.column("find_unlisted_copies")


def forecast(ledger: MigrationLedger) -> dict[str, int]:
    """Number by what: objects, bytes, already_there, conflict, dangling."""
    return ledger.one(dict[str, int], "forecast")


def count_referenced(ledger: Ledger) -> dict[str, int]:
    """Number by what: referenced (objects), rows_to_switch."""
    return ledger.one(dict[str, int], "count_referenced")


def find_forecast_problems(ledger: MigrationLedger, limit: int) -> list[ForecastProblem]:
    """At most so many of each problem."""
    return ledger.rows(ForecastProblem, "find_forecast_problems", limit=limit)


# -- into the ledger ----------------------------------------------------------------------------------------------


def adopt(ledger: RunLedger, *, takes_all: bool) -> None:
    """Make the run the owner of what is unfinished in its scope.

    :param takes_all: what the listing did not show is in its scope as well.
    """
    ledger.execute("adopt", takes_all=takes_all)


def judge_listed(ledger: RunLedger) -> None:
    ledger.execute("judge_listed")


def judge_gone(ledger: RunLedger) -> None:
    ledger.execute("judge_gone")


def judge_unlisted_rows(ledger: RunLedger) -> None:
    ledger.execute("judge_unlisted_rows")


def insert_listed(ledger: RunLedger) -> None:
    ledger.execute("insert_listed")


def mark_unreferenced(ledger: RunLedger) -> None:
    ledger.execute("mark_unreferenced")


def count_gone(ledger: RunLedger) -> int:
    return int(ledger.value("count_gone"))


def count_missing(ledger: RunLedger, keys: list[str] | None = None) -> int:
    """Copies that are gone from production: of these legacy keys, or of the whole run."""
    return int(ledger.value("count_missing", keys=keys))


def judge_missing(ledger: RunLedger, problem_if_referenced: str | None, keys: list[str] | None = None) -> None:
    """:param problem_if_referenced: what it is where a row names the copy; None: no problem, it is copied again."""
    ledger.execute("judge_missing", problem_if_referenced=problem_if_referenced, keys=keys)


# -- chunks -------------------------------------------------------------------------------------------------------


def clear_chunks(ledger: RunLedger) -> None:
    ledger.execute("clear_chunks")


def count_scope(ledger: RunLedger) -> int:
    return int(ledger.value("count_scope"))


def create_chunks(ledger: RunLedger, length: int) -> int:
    """Cut the scope into chunks of `length` objects; answers how many they are."""
    return ledger.execute("create_chunks", length=length).rowcount
