"""What a task tells of its work while it is at it: in its log, and in the label of its mapped instance."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from psycopg import Error

from s3_migration.ledger.chunk import Chunk
from s3_migration.steps.run import Run

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOGS = 5


class Progress:
    """Says how far the work is, in the task's log, every few seconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def tell(self, text: str, *values: object) -> None:
        if time.monotonic() - self._last > SECONDS_BETWEEN_LOGS:
            self._last = time.monotonic()
            log.info(text, *values)


def label_of(chunk: Chunk) -> str:
    return f"{chunk.number}: {_legible(chunk.first_key)} … {_legible(chunk.last_key)}"


def place(run: Run) -> str:
    """How a message begins."""
    migration = f"Migration {run.declaration.name}"
    return f"{migration}, chunk {label_of(run.chunk)}" if run.chunk.number else migration


@contextmanager
def labelled(run: Run, label: Callable[[str], None]) -> Iterator[None]:
    """Tell the chunk's range before the work, and its objects by state after it, however it ends."""

    def tell_states() -> None:
        counts = ", ".join(f"{number} {state}" for state, number in sorted(run.states().items()))
        label(f"{label_of(run.chunk)}: {counts}")

    label(label_of(run.chunk))
    try:
        yield
    except BaseException:
        with suppress(Error):  # the first error is the one to show
            tell_states()
        raise
    tell_states()


def _legible(key: str) -> str:
    """A key as part of a label: Airflow keeps 250 characters of one, and fails the task that has more."""
    text = "".join(character if character.isprintable() else "?" for character in key)
    return text if len(text) <= 50 else f"{text[:49]}…"
