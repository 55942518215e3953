"""The statements of `sql/archive`; what COPYs a table is run by `commands/archive.py`."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from s3_migration.ledger.connection import MigrationLedger


class LastChange(NamedTuple):
    lease_token: int
    newest_run: datetime | None  # when it began


def find_last_change(ledger: MigrationLedger) -> LastChange:
    return ledger.one(LastChange, "find_last_change")
