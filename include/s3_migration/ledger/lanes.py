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


class Lanes:
    """Those of one run. `standing` are as an earlier try of its listing left them."""

    def __init__(self, ledger: RunLedger) -> None:
        self._ledger = ledger
        self.standing = ledger.rows(Lane, "find_lanes")
        self._kept = {lane.lane for lane in self.standing}

    def keep(self, lane: Lane) -> None:
        """Write down where it stands, in the transaction that merges what it has listed."""
        # The keys of its first page stay as they are, and are many.
        values: dict[str, Any] = lane._replace(first=[] if lane.lane in self._kept else lane.first)._asdict()
        self._ledger.execute("keep_lane", **values)
        self._kept.add(lane.lane)


def forget_lanes(ledger: RunLedger) -> None:
    ledger.execute("forget_lanes")
