"""The statements of `sql/spelling`: rows that name an object in another spelling than the declared one."""

from __future__ import annotations

from typing import NamedTuple

from s3_migration.ledger.connection import MigrationLedger, RunLedger


class Misspelt(NamedTuple):
    """An object, and how a row names it."""

    legacy_key: str
    detail: str


def has_misspelt_rows(ledger: MigrationLedger) -> bool:
    return bool(ledger.value("has_misspelt_rows"))


def create_misspelt(ledger: MigrationLedger) -> None:
    """The staging table that the others are about, empty."""
    drop_misspelt(ledger)
    ledger.execute("create_misspelt")


def drop_misspelt(ledger: MigrationLedger) -> None:
    ledger.execute("drop_misspelt")


def find_misspelt(ledger: RunLedger) -> None:
    """Fill it, with what names the run's objects."""
    ledger.execute("find_misspelt")


def forecast_misspelt(ledger: MigrationLedger) -> None:
    """Fill it, with what names the objects of staging table `legacy`."""
    ledger.execute("forecast_misspelt")


def find_exact_keys(ledger: MigrationLedger, after: str, limit: int) -> list[str]:
    """The next keys that these rows name as they are spelt."""
    return ledger.column("find_exact_keys", after=after, limit=limit)


def drop_exact_rows(ledger: MigrationLedger, keys: list[str]) -> None:
    """:param keys: of objects that are there, which these rows name therefore."""
    ledger.execute("drop_exact_rows", keys=keys)


def count_misspelt(ledger: MigrationLedger) -> int:
    """Objects."""
    return int(ledger.value("count_misspelt"))


def name_misspelt(ledger: MigrationLedger, limit: int) -> list[Misspelt]:
    return ledger.rows(Misspelt, "name_misspelt", limit=limit)


def mark_misspelt(ledger: RunLedger) -> None:
    ledger.execute("mark_misspelt")
