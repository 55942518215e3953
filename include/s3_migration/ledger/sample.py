"""How many of the listed objects rows name: asked of a sample of them, which is all of them where they are not many.

A key is of the sample by its hash, so that a row tells by itself whether it can be about one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

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

    @property
    def empty(self) -> bool:
        """Nothing was listed: no row can be about anything of it."""
        return self._size == 0

    def is_of(self, ledger: Ledger) -> bool:
        """Whether it is of this session."""
        return ledger.session is self._ledger.session

    def add(self) -> None:
        """What staging table `legacy` holds, within a batch that joins by hash. `thin` is to follow, after it."""
        self._size += self._ledger.execute("fill_sample", share=self.share).rowcount

    def refill(self, after: str, limit: int) -> str | None:
        """What this listing saw of the next keys after this one. Answers the last that was looked at; None: none is."""
        last: str | None = self._ledger.value("refill_sample", after=after, limit=limit, share=self.share)
        self._size += limit
        self.thin()
        return last

    def thin(self) -> None:
        """Halve it while it is too large. What goes leaves room for what comes: else its file would grow each time."""
        while self._size > MAX_SAMPLE and self.share > 1:
            self._size = self.count().objects
            if self._size > MAX_SAMPLE:
                self.share //= 2
                self._ledger.execute("thin_sample", share=self.share)
                self._ledger.connection.execute("VACUUM pg_temp.listed_sample")  # nobody else does, of such a table

    def mark(self, rows: Mapping[str, int]) -> set[str]:
        """These keys are named by rows. Answers those that are of the sample.

        :param rows: by key, how many name it by its legacy path.
        """
        return set(self._ledger.column("note_named", keys=list(rows), rows=list(rows.values()))) if rows else set()

    def find(self, keys: Iterable[str]) -> set[str]:
        """Those of these keys that are of the sample."""
        return set(self._ledger.column("find_in_sample", keys=asked)) if (asked := list(keys)) else set()

    def count(self) -> Sampled:
        return self._ledger.one(Sampled, "count_sample")

    def drop(self) -> None:
        self._ledger.execute("drop_sample")


def note_sampled(rows: ReferenceLedger, sample: Sample, first: str, last: str) -> tuple[dict[str, int], dict[str, int]]:
    """Mark what the rows from place `first` to before `last` name of the sample.

    :returns: what is to be marked yet, by key how many name it by the legacy path: all that may be of the sample, where
        the session is another than the sample's (`parallel_passes`), which knows of it but the share; and what of the
        sample's share they name by the legacy path, without what is known to be of it.
    """
    asked = {"share": sample.share, "first": first, "last": last}
    if sample.is_of(rows):
        return {}, _by_key(rows, "note_sampled", **asked)
    found = _by_key(rows, "find_sampled", **asked)
    return found, {key: number for key, number in found.items() if number}


def note_listed(rows: ReferenceLedger, sample: Sample, first: str, last: str) -> tuple[dict[str, int], dict[str, int]]:
    """As `note_sampled`, and in place of what the sample lacks all that the run's listing has not shown."""
    if sample.is_of(rows) and not sample.empty:
        return {}, _by_key(rows, "note_listed", share=sample.share, first=first, last=last)
    found = {} if sample.empty else note_sampled(rows, sample, first, last)[0]
    return found, _by_key(rows, "find_unlisted_rows", first=first, last=last)


def mark_referenced(rows: ReferenceLedger, first: str, last: str) -> None:
    """What they name is not to be kept for being unreferenced."""
    rows.execute("mark_referenced", first=first, last=last)


def _by_key(rows: ReferenceLedger, file: str, **values: Any) -> dict[str, int]:
    return {found["key"]: found["rows"] for found in rows.execute(file, **values)}
