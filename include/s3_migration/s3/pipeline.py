"""Hundreds of requests in flight, their results as they come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar, cast

T = TypeVar("T")
R = TypeVar("R")

# What is started before the first of it has been answered: enough to go on while a batch is being marked.
AHEAD = 500
# Seconds.
GATHER = 0.005


class Pipeline(Generic[R]):
    """What was started and is answered in other threads.

    :param in_flight: requests that may be in flight at once.
    """

    def __init__(self, in_flight: int) -> None:
        self.given_up = threading.Event()
        self._ahead = max(AHEAD, in_flight)
        self._results: SimpleQueue[R | Exception] = SimpleQueue()
        self.answer = self._results.put

    def run(self, start: Callable[[T, Pipeline[R]], None], items: Iterable[T]) -> Generator[R, None, None]:
        """Start each item, hundreds ahead of what was answered; results as they come.

        :param start: starts one; sees to it that `answer` is called for it, once, in any thread.
        :raises Exception: what a result is, if it is one.
        """
        waiting = 0
        try:
            for item in items:
                while waiting >= self._ahead:
                    results = self._next_results()
                    waiting -= len(results)
                    yield from results
                start(item, self)
                waiting += 1
            while waiting:
                results = self._next_results()
                waiting -= len(results)
                yield from results
        finally:
            self.given_up.set()

    def _next_results(self) -> list[R]:
        """One at least. They are left to gather for a moment: to wake up for each takes more time than all else that
        is done about it."""
        results = [self._results.get()]
        time.sleep(GATHER)
        with suppress(Empty):
            while True:
                results.append(self._results.get_nowait())
        for result in results:
            if isinstance(result, Exception):
                raise result
        return cast("list[R]", results)
