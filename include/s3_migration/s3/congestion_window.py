"""How many requests may be in flight at once: as many as the store takes. Pure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INITIAL = 32


class CongestionWindow:
    """Additive increase, multiplicative decrease, as TCP's congestion window; safe to share between threads.

    It begins at 32 and grows by one an answer (doubling each round trip) until the store says SlowDown for the first
    time. Each SlowDown halves it, at most once a round trip: whoever was sent before the last cut, says nothing new.
    From then on it grows by about one a round trip.

    :param maximum: never more than this.
    """

    def __init__(self, maximum: int, initial: int = INITIAL) -> None:
        self.maximum = maximum
        self.in_flight = 0
        # Called when a thread has given its place back: who does not wait for one goes on.
        self.on_room: Callable[[], None] = lambda: None
        self._limit = float(min(initial, maximum))
        self._cuts = 0
        self._changed = threading.Condition()
        self._this_thread = threading.local()

    @property
    def limit(self) -> int:
        """How many may be in flight now; at least one."""
        return int(self._limit + 1e-6)  # sums of fractions

    def bound(self, maximum: int) -> None:
        """Never more than this from now on; what is in flight beyond it is left to end."""
        with self._changed:
            self.maximum = maximum
            self._limit = min(self._limit, float(maximum))
            self._changed.notify_all()

    def try_enter(self) -> int | None:
        """Take a place, where one is free. Answers the token that `leave` and `slow_down` ask for."""
        with self._changed:
            if self.in_flight >= self.limit:
                return None
            self.in_flight += 1
            return self._cuts

    def enter(self) -> int:
        """Take a place as soon as one is free."""
        with self._changed:
            self._changed.wait_for(lambda: self.in_flight < self.limit)
            self.in_flight += 1
            return self._cuts

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for what this thread does, as soon as one is free."""
        token = self._this_thread.token = self.enter()
        try:
            yield
        finally:
            self._this_thread.token = None
            self.leave(token, answered=True)
            self.on_room()

    def slow_down_here(self) -> None:
        """The store says that it is too much, to a request of this thread; it counts where that has a place."""
        token: int | None = getattr(self._this_thread, "token", None)
        if token is not None:
            self.slow_down(token)

    def leave(self, token: int, *, answered: bool) -> None:
        """Give the place back; an answer (other than SlowDown) to what was sent since the last cut lets it grow."""
        with self._changed:
            self.in_flight -= 1
            if answered and token == self._cuts:
                self._limit = min(self._limit + (1 / self.limit if self._cuts else 1), self.maximum)
            self._changed.notify_all()

    def slow_down(self, token: int) -> None:
        """The store says that it is too much."""
        with self._changed:
            if token == self._cuts:
                self._limit = max(self._limit / 2, 1)
                self._cuts += 1
