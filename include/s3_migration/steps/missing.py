"""Copies that are gone from production: the rows decide what that means."""

from __future__ import annotations

from s3_migration.ledger import listing
from s3_migration.steps.run import Run


def judge_missing(run: Run, problem_if_referenced: str | None, keys: list[str] | None = None) -> None:
    with run.ledger.batch():
        run.lease.fence()
        if listing.count_missing(run.ledger, keys):
            listing.judge_missing(run.ledger, problem_if_referenced, keys)
