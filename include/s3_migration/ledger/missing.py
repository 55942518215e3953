"""The statements of `sql/missing`: copies that are gone from production, and whether rows name them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from s3_migration.ledger.connection import Ledger, ReferenceLedger, RunLedger


class _Slice(NamedTuple):
    last: str | None
    keys: list[str] | None


def find_missing(ledger: RunLedger, keys: list[str] | None, limit: int) -> Iterator[list[str]]:
    """Their legacy keys, some at a time and never none: of these, or of the whole run."""
    if keys is not None:
        for first in range(0, len(keys), limit):
            if found := ledger.column("find_missing_of", keys=keys[first : first + limit]):
                yield found
        return
    after: str | None = ""
    while after is not None:
        slice_ = ledger.one(_Slice, "find_missing", after=after, limit=limit)
        if slice_.keys:
            yield slice_.keys
        after = slice_.last


def find_missing_named(ledger: ReferenceLedger, first: str, last: str) -> list[str]:
    """The legacy keys of those that rows name, from place `first` to before `last`."""
    return ledger.column("find_missing_named", first=first, last=last)


def find_rows_naming(ledger: ReferenceLedger, keys: Sequence[str]) -> list[str]:
    """Which of these legacy keys rows name now, by either path. Within a transaction."""
    reference = ledger.reference
    # As find_rows_named.
    ledger.connection.execute("SET LOCAL enable_seqscan = off")
    asked = [path for key in keys for path in (reference.legacy_path(key), reference.production_path(key))]
    return ledger.column("find_rows_naming", asked=asked)


def create_named(ledger: Ledger) -> None:
    """The staging table of what a pass finds to be named, empty."""
    drop_named(ledger)
    ledger.execute("create_named")


def drop_named(ledger: Ledger) -> None:
    ledger.execute("drop_named")


def fill_named(ledger: Ledger, keys: list[str]) -> None:
    ledger.execute("fill_named", keys=keys)


def find_named(ledger: Ledger, keys: list[str]) -> list[str]:
    return ledger.column("find_named", keys=keys)


def judge_missing_copies(
    ledger: RunLedger, keys: list[str], named: set[str], problem_if_referenced: str | None
) -> None:
    """:param problem_if_referenced: what it is where a row names the copy; None: no problem, it is copied again."""
    nameds = [key in named for key in keys]
    ledger.execute("judge_missing_copies", keys=keys, nameds=nameds, problem_if_referenced=problem_if_referenced)
