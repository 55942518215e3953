"""The statements of `sql/reconciliation`."""

from __future__ import annotations

from s3_migration.ledger.connection import MigrationLedger, ReferenceLedger, RunLedger


def count_rows_left(ledger: ReferenceLedger, first: str, last: str) -> int:
    """From place `first` to before `last`."""
    return int(ledger.value("count_rows_left", first=first, last=last))


def count_beyond_undo(ledger: MigrationLedger) -> int:
    return int(ledger.value("count_beyond_undo"))


def drop_fixed_acknowledgements(ledger: RunLedger) -> None:
    ledger.execute("drop_fixed_acknowledgements")
