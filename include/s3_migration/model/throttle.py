"""Whether the switch may go on, by what a look at the database shows of its replicas and of autovacuum. Pure.

What is unknown never blocks: a role without pg_read_all_stats does not see a replica's lag.

| replicas' lag        | waited for it   | vacuum  | dead rows        | waited for it | next              |
| -------------------- | --------------- | ------- | ---------------- | ------------- | ----------------- |
| above the limit      | not yet long    | any     | any              | any           | wait for replicas |
| above the limit      | MAX_REPLICA_WAIT | any     | any              | any           | give up           |
| unknown, or within   | any             | none    | any              | any           | go on             |
| unknown, or within   | any             | unknown | any              | any           | go on             |
| unknown, or within   | any             | at work | few, or unknown  | any           | go on             |
| unknown, or within   | any             | at work | many             | not yet long  | wait for vacuum   |
| unknown, or within   | any             | at work | many             | SHARE         | go on             |

It gives up rather than go on in small batches: `max_lag` is a promise to whoever reads from a replica, and one that is
cut off falls behind whatever the switch does. A person has to look; the task tries again by itself, and holds no worker
meanwhile. For a vacuum it never gives up, and waits for a SHARE of its time at most: the worst is a
table that grows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

# Replicas that do not catch up for so long, without a row of ours: it is not the switch.
MAX_REPLICA_WAIT = timedelta(minutes=10)
# Of the table's live rows, where autovacuum begins by default; but a small table is not worth a pause.
MANY_DEAD = 0.2
MANY_ROWS = 10_000
# Of the time that the switch has been at work.
SHARE = 0.2


class Next(Enum):
    GO_ON = "go on"
    WAIT_FOR_REPLICAS = "wait for replicas"
    WAIT_FOR_VACUUM = "wait for vacuum"
    GIVE_UP = "give up"


@dataclass(frozen=True)
class Load:
    """What one look found. None: unknown."""

    lag: float | None = None  # seconds, of the replica that is furthest behind
    live_rows: int | None = None
    dead_rows: int | None = None
    vacuuming: bool | None = None

    @property
    def many_dead(self) -> bool:
        if self.dead_rows is None or self.live_rows is None:
            return False
        return self.dead_rows >= max(MANY_ROWS, MANY_DEAD * self.live_rows)


@dataclass
class Waited:
    """Seconds so far."""

    for_replicas: float = 0.0  # since they were last seen within the limit
    for_vacuum: float = 0.0
    at_work: float = 0.0  # all of it, pauses included


def decide(load: Load, max_lag: timedelta, waited: Waited) -> Next:
    """What to do before the next batch: the table above."""
    if load.lag is not None and load.lag > max_lag.total_seconds():
        return Next.WAIT_FOR_REPLICAS if waited.for_replicas < MAX_REPLICA_WAIT.total_seconds() else Next.GIVE_UP
    if load.vacuuming and load.many_dead and waited.for_vacuum < SHARE * waited.at_work:
        return Next.WAIT_FOR_VACUUM
    return Next.GO_ON
