"""What is to be done later, in one thread."""

from __future__ import annotations

import sched
import threading
import time
from collections.abc import Callable
from contextlib import suppress


class Timer:
    """One thread for all that is to be done later, and once a second for what must not be forgotten."""

    def __init__(self, every_second: Callable[[], None]) -> None:
        self._every_second = every_second
        self._changed, self._stopped = threading.Event(), False
        self._later = sched.scheduler(time.monotonic, self._wait)
        self._later.enter(1, 0, self._tick)
        threading.Thread(target=self._later.run, name="s3-timer", daemon=True).start()

    def call_in(self, seconds: float, what: Callable[[], None]) -> None:
        self._later.enter(seconds, 0, what)
        self._changed.set()

    def stop(self) -> None:
        """What was still to be done is done now, so that nobody waits for it."""
        self._stopped = True
        for event in self._later.queue:
            with suppress(ValueError):  # its time came meanwhile
                self._later.cancel(event)
                event.action()
        self._changed.set()

    def _wait(self, seconds: float) -> None:
        self._changed.wait(seconds)
        self._changed.clear()

    def _tick(self) -> None:
        if not self._stopped:
            self._later.enter(1, 0, self._tick)
            self._every_second()
