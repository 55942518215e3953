"""How many of the listed objects rows name: asked of a sample of them, which is all of them where they are not many.

A key is of the sample by its hash, so that a row tells by itself whether it can be about one.
"""

from __future__ import annotations

from typing import NamedTuple

from s3_migration.ledger.connection import Ledger, ReferenceLedger, RunLedger

# More are halved: some 60 MB.
MAX_SAMPLE = 500_000
# 65,536ths: of all.
ALL = 65_536


class Sampled(NamedTuple):
    objects: int
    named: int  # of these, by a row
    rows: int  # that name one of these by its legacy path


class Sample:
    """Staging table `sample`, of this session."""

    def __init__(self, ledger: RunLedger) -> None:
        self._ledger = ledger
        self.share, self._size = ALL, 0
        ledger.execute("drop_sample")
        ledger.execute("create_sample")

    def add(self) -> None:
        """What staging table `legacy` holds."""
        self._added(self._ledger.execute("fill_sample", share=self.share).rowcount)

    def refill(self, after: str, limit: int) -> str | None:
        """What this listing saw of the next keys after this one. Answers the last that was looked at; None: none is."""
        last: str | None = self._ledger.value("refill_sample", after=after, limit=limit, share=self.share)
        self._added(limit)
        return last

    def _added(self, number: int) -> None:
        self._size += number
        while self._size > MAX_SAMPLE and self.share > 1:
            self._size = self.count().objects
            if self._size > MAX_SAMPLE:
                self.share //= 2
                self._ledger.execute("thin_sample", share=self.share)

    def count(self) -> Sampled:
        return self._ledger.one(Sampled, "count_sample")

    def drop(self) -> None:
        self._ledger.execute("drop_sample")
