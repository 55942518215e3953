"""Where the lanes of a listing stand (`s3/parallel_listing.py`), so that one that was killed goes on."""

from __future__ import annotations

from typing import Any, NamedTuple

from s3_migration.ledger.connection import RunLedger


class Lane(NamedTuple):
    """How far a lane has come: all before it is merged."""

    lane: int
    start: str  # it began after this key
    first: list[str]  # the keys of its first page
    last: str
    token: str | None  # of its next page; None: it has ended


def find_lanes(ledger: RunLedger) -> list[Lane]:
    return ledger.rows(Lane, "find_lanes")


def keep_lane(ledger: RunLedger, lane: Lane) -> None:
    values: dict[str, Any] = lane._asdict()
    ledger.execute("keep_lane", **values)


def forget_lanes(ledger: RunLedger) -> None:
    ledger.execute("forget_lanes")
