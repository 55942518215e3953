"""The statements of `sql/switching`: of rows, one reference's. A row's place is its ctid, as text: `(page,item)`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal, NamedTuple

from s3_migration.ledger.connection import ReferenceLedger, RunLedger

# The second passes over rows that other transactions hold.
SwitchFile = Literal["switch_rows", "switch_unlocked_rows"]


class Pages(NamedTuple):
    """`pages` of the largest table, of so many: a partitioned table has several."""

    pages: int
    tables: int


class RowToSwitch(NamedTuple):
    """`relation` is the oid of the table that holds the row."""

    relation: int
    ctid: str
    legacy_key: str


class ObservedLoad(NamedTuple):
    """`lag` in seconds; None where nothing tells it."""

    lag: float | None
    hidden: int  # replicas that hide their lag
    live_rows: int | None
    dead_rows: int | None
    vacuuming: bool


def count_pages(ledger: ReferenceLedger) -> Pages:
    return ledger.one(Pages, "count_pages")


def observe_load(ledger: ReferenceLedger) -> ObservedLoad:
    return ledger.one(ObservedLoad, "observe_load")


def switch_rows(
    ledger: ReferenceLedger, file: SwitchFile, first: str, last: str, *, late: bool, relation: int | None = None
) -> int:
    """Switch the rows from place `first` to before `last`; answers how many.

    :param relation: of this table alone, and not of its siblings; an oid.
    :param late: the run's switch is over: their grace period starts now.
    """
    return int(ledger.value(file, first=first, last=last, late=late, relation=relation))


def find_rows_to_switch(ledger: ReferenceLedger, first: str, last: str) -> list[RowToSwitch]:
    return ledger.rows(RowToSwitch, "find_rows_to_switch", first=first, last=last)


def mark_refused_row(ledger: RunLedger, key: str, error_code: str, detail: str) -> None:
    """:param error_code: the SQLSTATE."""
    ledger.execute("mark_refused_row", key=key, error_code=error_code, detail=detail)


def retry_refused_rows(ledger: RunLedger) -> None:
    with ledger.by_index():
        ledger.execute("retry_refused_rows")


class RowsLeft(NamedTuple):
    """Rows that name what the run switches from, of its objects: of one that should be switched, or of all others."""

    key: str | None  # None: of the others
    path: str  # what one of them holds
    rows: int


def find_rows_left(ledger: ReferenceLedger, first: str, last: str) -> list[RowsLeft]:
    """From place `first` to before `last`."""
    return ledger.rows(RowsLeft, "find_rows_left", first=first, last=last)


def mark_still_referenced(ledger: ReferenceLedger, named: Mapping[str, str]) -> None:
    """:param named: by legacy key what a row holds that names it."""
    paths = json.dumps(named)
    ledger.execute("mark_still_referenced", reference=ledger.reference.name, keys=list(named), paths=paths)


def create_unnamed(ledger: RunLedger, limit: int) -> None:
    """The staging table of what is marked unswitched, so many problems at a time: a pass takes out what rows name."""
    drop_unnamed(ledger)
    ledger.execute("create_unnamed")
    after: str | None = ""
    while after is not None:
        after = ledger.value("fill_unnamed", after=after, limit=limit)


def drop_unnamed(ledger: RunLedger) -> None:
    ledger.execute("drop_unnamed")


def drop_still_named(ledger: RunLedger, keys: list[str]) -> None:
    """:param keys: rows name these."""
    ledger.execute("drop_still_named", keys=keys)


def find_settled(ledger: RunLedger, after: str, limit: int) -> list[str]:
    """The next keys of what a pass has found, or a former one had."""
    return ledger.column("find_settled", after=after, limit=limit)


def clear_still_referenced(ledger: RunLedger, keys: list[str]) -> None:
    """Those of these that are in the staging table."""
    ledger.execute("clear_still_referenced", keys=keys)


def end_switch(ledger: RunLedger) -> None:
    ledger.execute("end_switch")
