"""How far a run has come: a bar for each step that its mode has, out of what was counted. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from s3_migration.model.modes import Mode


@dataclass(frozen=True)
class Bar:
    """What is done of a step, in objects or rows.

    :param total: None: nobody knows yet.
    :param worked: what the step itself has done of it; the rest was done before it began.
    :param seconds: at work, so far.
    """

    name: str
    step: str
    unit: str
    done: int
    total: int | None
    worked: int
    seconds: float
    at_work: bool
    # Rows cannot be counted ahead but by a sample of the listing.
    about: bool = False

    @property
    def rate(self) -> float | None:
        """Done by the step a second at work."""
        return self.worked / self.seconds if self.worked and self.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """At that rate; None: it is not at work, or nobody can tell."""
        if not self.at_work or self.total is None or self.rate is None:
            return None
        return max(0, self.total - self.done) / self.rate


@dataclass(frozen=True)
class Progress:
    """What bars are made of.

    :param tallies: number by (step, what), of table tally.
    :param seconds: at work, by step; of those that began.
    :param at_work: steps of which a task runs.
    :param compared: objects of chunks of which both sides were compared; of `in_chunks`.
    """

    mode: Mode
    remove_copies: bool
    listed: bool  # the listing has ended
    switched: bool  # so has the switch
    verified: bool  # so has the proof
    tallies: Mapping[tuple[str, str], int]
    seconds: Mapping[str, float]
    at_work: frozenset[str]
    in_chunks: int
    compared: int

    def bars(self) -> list[Bar]:
        """In the order of steps: only those that the mode has."""
        listed = self._sum("objects", "list")
        bars = [self._bar("listed", "list", "objects", listed, listed if self.listed else None)]
        if self.mode.copies:
            there = self._sum("already_there", "list", "copy", "verify", "delete", "reconcile")
            copied = self._sum("copied", "copy", "verify", "delete", "reconcile")
            total = listed if self.listed else None
            bars.append(self._bar("copied", "copy", "objects", min(there + copied, listed), total, worked=copied))
        if self.mode.switches:
            done = self._sum("rows", "switch", "verify", "reconcile")
            foreseen = done if self.switched else max(done, self._sum("rows_to_switch", "list"))
            name = "switched back" if self.mode.undoes else "switched"
            total = foreseen if self.listed and not (self.mode.undoes and not self.switched) else None
            bars.append(self._bar(name, "switch", "rows", done, total, about=not self.switched))
        if self.mode.changes:
            done = self._sum("objects", "verify") if self.verified else self.compared
            bars.append(self._bar("verified", "verify", "objects", done, self.in_chunks if self.listed else None))
        if self.mode.deletes or (self.mode.undoes and self.remove_copies):
            name = "removed" if self.mode.undoes else "deleted"
            done = self._sum(name, "delete", "reconcile")
            bars.append(self._bar(name, "delete", "objects", done, max(done, self.in_chunks) if self.listed else None))
        return bars

    def _sum(self, what: str, *steps: str) -> int:
        return sum(self.tallies.get((step, what), 0) for step in steps)

    def _bar(
        self,
        name: str,
        step: str,
        unit: str,
        done: int,
        total: int | None,
        *,
        worked: int | None = None,
        about: bool = False,
    ) -> Bar:
        seconds, at_work = self.seconds.get(step, 0.0), step in self.at_work
        return Bar(name, step, unit, done, total, done if worked is None else worked, seconds, at_work, about)
