"""What is to be done later, in one thread."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable


class Timer:
    """One thread for all that is to be done later, and once a second for what must not be forgotten."""

    def __init__(self, every_second: Callable[[], None]) -> None:
        self._every_second = every_second
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False
        threading.Thread(target=self._run, name="s3-timer", daemon=True).start()

    def call_in(self, seconds: float, what: Callable[[], None]) -> None:
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), what))
            self._changed.notify()

    def stop(self) -> None:
        """What was still to be done is done now, so that nobody waits for it."""
        with self._changed:
            self._stopped = True
            left, self._due = self._due, []
            self._changed.notify()
        for _, _, what in left:
            what()

    def _run(self) -> None:
        next_second = time.monotonic() + 1
        while not self._stopped:
            with self._changed:
                next_due = self._due[0][0] if self._due else next_second
                self._changed.wait(max(0.0, min(next_due, next_second) - time.monotonic()))
                now = time.monotonic()
                due = []
                while self._due and self._due[0][0] <= now:
                    due.append(heapq.heappop(self._due)[2])
            for what in due:
                what()
            if now >= next_second:
                next_second = now + 1
                self._every_second()
