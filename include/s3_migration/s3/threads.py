"""What boto3 does, a request at a time: many of them at once, in threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from threading import Event
from typing import Any, TypeVar

from s3_migration.s3.congestion_window import CongestionWindow

R = TypeVar("R")


class Threads:
    """A pool of threads. What comes by the million takes a place in the congestion window, as the bulk does."""

    def __init__(self, size: int, window: CongestionWindow) -> None:
        self._window = window
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="s3")

    def submit(self, work: Callable[..., R], *arguments: Any) -> Future[R]:
        return self._pool.submit(work, *arguments)

    def start(
        self,
        work: Callable[[], R],
        on_answer: Callable[[R | Exception], None],
        given_up: Event,
        *,
        in_window: bool = False,
    ) -> None:
        """Let a thread do it. `on_answer` is told its result or what it raised, once, in that thread.

        :param given_up: if it is set before a thread is free, nothing is done and nothing told.
        """

        def run() -> None:
            if given_up.is_set():
                return
            try:
                with self._window.place() if in_window else nullcontext():
                    answer: R | Exception = work()
            except Exception as error:
                answer = error
            on_answer(answer)

        try:
            self._pool.submit(run)
        except RuntimeError as error:  # closed
            on_answer(error)

    def close(self, *, wait: bool = False) -> None:
        """Give up what is queued; what is under way ends by itself."""
        self._pool.shutdown(wait=wait, cancel_futures=True)
