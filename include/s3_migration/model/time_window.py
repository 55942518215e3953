"""A span of time, as a backfill slices an archive by. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property


@dataclass(frozen=True)
class TimeWindow:
    """From `start` to before `end`, in whole seconds: what stores count in, some of them nothing finer.

    Both bounds lose their fraction, so that spans that adjoin share no object and leave none out.
    """

    start: datetime
    end: datetime

    def holds(self, modified: str) -> bool:
        """Whether an object of this time (ISO 8601 in UTC, as S3 writes it) belongs to it."""
        first, end = self._bounds
        return first <= modified[:19] < end

    @cached_property
    def _bounds(self) -> tuple[str, str]:
        """As text: every key of a listing is held against them."""
        first, end = (moment.astimezone(timezone.utc) for moment in (self.start, self.end))
        return f"{first:%Y-%m-%dT%H:%M:%S}", f"{end:%Y-%m-%dT%H:%M:%S}"

    def __str__(self) -> str:
        return "[{}Z, {}Z)".format(*self._bounds)
