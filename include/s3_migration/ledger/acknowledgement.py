"""The statements of `sql/acknowledgement`. Each is about one legacy key, or about all objects of a problem."""

from __future__ import annotations

from s3_migration.ledger.connection import MigrationLedger, RunLedger


def is_known(ledger: MigrationLedger, key: str) -> bool:
    """Whether the ledger has an object of this legacy key."""
    return bool(ledger.column("find_object", key=key))


def acknowledge(ledger: RunLedger, key: str | None, problem: str | None, reason: str, problems: list[str]) -> int:
    """Answers how many were acknowledged.

    :param problems: what can be acknowledged at all.
    """
    return ledger.execute("acknowledge", key=key, problem=problem, reason=reason, problems=problems).rowcount


def withdraw_acknowledgement(ledger: MigrationLedger, key: str | None, problem: str | None) -> int:
    """Answers how many were taken back."""
    return ledger.execute("withdraw_acknowledgement", key=key, problem=problem).rowcount
