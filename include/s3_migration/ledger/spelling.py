"""The statements of `sql/spelling`: rows that name an object in another spelling than the declared one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from s3_migration.ledger import staging, statements
from s3_migration.ledger.connection import MigrationLedger, ReferenceLedger, RunLedger


class Otherwise(NamedTuple):
    """What rows hold that may name an object in another spelling."""

    exact: str | None  # the key that they name as they are spelt, where they begin as declared
    spelling: str  # of a key that they may stand for
    path: str  # what one of them holds


class Found(NamedTuple):
    """Of one slice of objects: the last of them (None: there was none), and how many rows name so."""

    last: str | None
    found: int


class Misspelt(NamedTuple):
    """An object, and how a row names it."""

    legacy_key: str
    detail: str


def find_otherwise(ledger: ReferenceLedger, first: str, last: str) -> list[Otherwise]:
    """What rows hold so, from place `first` to before `last`."""
    return ledger.rows(Otherwise, "find_otherwise", first=first, last=last)


def create_otherwise(ledger: MigrationLedger) -> None:
    """The staging table of what rows hold so, empty."""
    drop_otherwise(ledger)
    ledger.execute("create_otherwise")
    ledger.execute("index_otherwise")


def drop_otherwise(ledger: MigrationLedger) -> None:
    ledger.execute("drop_otherwise")


def fill_otherwise(ledger: ReferenceLedger, rows: Sequence[Otherwise]) -> None:
    """Add what rows of this reference hold."""
    ledger.execute(
        "fill_otherwise",
        reference=ledger.reference.name,
        path_prefix=getattr(ledger.reference.keys, f"{ledger.sides[0]}_path_prefix"),
        exacts=[row.exact for row in rows],
        spellings=[row.spelling for row in rows],
        paths=[row.path for row in rows],
    )


def create_misspelt(ledger: MigrationLedger) -> None:
    """The staging table of the objects that rows name so, empty."""
    drop_misspelt(ledger)
    ledger.execute("create_misspelt")


def drop_misspelt(ledger: MigrationLedger) -> None:
    ledger.execute("drop_misspelt")


def find_misspelt(ledger: RunLedger, after: str, limit: int) -> Found:
    """Fill it, with what names the next of the run's objects."""
    with ledger.by_index():
        return ledger.one(Found, "find_misspelt", after=after, limit=limit)


def forecast_misspelt(ledger: MigrationLedger, objects: str, after: str, limit: int) -> Found:
    """Fill it, with what names the next objects of a staging table that has their `key`.

    :param objects: its side: `sample`.
    """
    query = statements.statement("forecast_misspelt", **staging.parts(ledger, objects))
    values = {"after": after, "limit": limit, "legacy_rest": ledger.values["legacy_rest"]}
    with ledger.by_index():
        return Found(**statements.run(ledger.connection, query, values).fetchall()[0])


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


def mark_misspelt(ledger: RunLedger, keys: list[str]) -> None:
    """Those of these that the staging table has, and those of which it does not have what it had."""
    ledger.execute("mark_misspelt", keys=keys)
