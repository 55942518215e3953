"""A worker that has to go tells its task by SIGTERM; Airflow itself only calls `on_kill`, and lets the task go on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, current_thread, main_thread

from airflow.sdk.exceptions import AirflowException


class Stopped(AirflowException):
    """The task was asked to end. Its next try goes on from there."""


@contextmanager
def listening() -> Iterator[Event]:
    """An event that SIGTERM sets, for whoever looks between two batches."""
    asked = Event()
    if current_thread() is not main_thread():  # where Python lets nobody listen
        yield asked
        return
    before = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)
