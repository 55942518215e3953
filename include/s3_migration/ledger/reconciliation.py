"""The statements of `sql/reconciliation`."""

from __future__ import annotations

from s3_migration.ledger.connection import MigrationLedger, RunLedger


def count_rows_left(ledger: RunLedger) -> dict[str, int]:
    """Number by the reference's name; of those that have any."""
    return {found["reference"]: found["rows"] for found in ledger.execute("count_rows_left")}


def count_beyond_undo(ledger: MigrationLedger) -> int:
    return int(ledger.value("count_beyond_undo"))


def drop_fixed_acknowledgements(ledger: RunLedger) -> None:
    ledger.execute("drop_fixed_acknowledgements")
