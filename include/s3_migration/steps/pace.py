"""Goes as fast as a person says while the run is at work (ledger/pace.py); else as declared."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from s3_migration.ledger.connection import RunLedger
from s3_migration.ledger.pace import Pace, find_pace, take_slot
from s3_migration.model.declaration import Declaration
from s3_migration.s3.hook import BulkS3Hook

log = logging.getLogger(__name__)

# Seconds between two looks, so that short batches do not each ask.
LOOK_EVERY = 2.0
# Seconds between two tries for a slot.
SLOT_EVERY = 2.0


class Pacer:
    """What one task goes by.

    :param hooks: whose requests are bounded.
    """

    def __init__(self, declaration: Declaration, ledger: RunLedger, step: str, *hooks: BulkS3Hook) -> None:
        self._declaration = declaration
        self._ledger = ledger
        self._step = step
        self._hooks = hooks
        self._looked_at = 0.0
        self._pace = Pace()

    def adjust(self) -> None:
        """Between two batches: take on what has been set since, for the requests that are sent from now on."""
        if time.monotonic() - self._looked_at < LOOK_EVERY:
            return
        self._looked_at = time.monotonic()
        pace = find_pace(self._ledger)
        if pace != self._pace:
            log.info("a person has set the pace of this run: %s", pace.as_text())
            self._pace = pace
            for hook in self._hooks:
                hook.window.bound(pace.requests_in_flight or hook.requests_in_flight)

    @property
    def max_lag(self) -> timedelta:
        return self._pace.max_lag or self._declaration.database.max_lag

    def wait_for_slot(self, stop_if_asked: Callable[[], None]) -> None:
        """Before a chunk's work, where a person has set that fewer are to be at work at once.

        Airflow lets no more begin than are declared (`max_active_tis_per_dagrun`), so it can only be lowered. A task
        that waits keeps its place on the worker; one that was at work before is left to end.
        """
        said = None
        while True:
            self.adjust()
            slots = self._pace.parallel_chunks
            if slots is None or take_slot(self._ledger, self._step, slots):
                return
            if said != slots:
                log.info("waits: %d tasks of this step are at work, as many as may be", slots)
                said = slots
            stop_if_asked()
            time.sleep(SLOT_EVERY)
