"""A span of time, as a backfill slices an archive by. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone


@dataclass(frozen=True)
class Span:
    """From `start` to before `end`, in whole seconds: what stores count in, some of them nothing finer.

    Both bounds lose their fraction, so that spans that adjoin share no object and leave none out.
    """

    start: datetime
    end: datetime

    def holds(self, modified: str) -> bool:
        """Whether an object of this time (ISO 8601 in UTC, as S3 writes it) belongs to it."""
        return self._text(self.start) <= modified[:19] < self._text(self.end)

    @staticmethod
    def _text(moment: datetime) -> str:
        return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")

    def __str__(self) -> str:
        return f"[{self._text(self.start)}Z, {self._text(self.end)}Z)"
