"""The switch backs off from the rest of the database: between its batches it observes the load, and waits for it."""

from __future__ import annotations

import logging
import math
import time

from airflow.sdk.exceptions import AirflowException
from psycopg import Error

from s3_migration.ledger.replica_lag import NoLag, declared_lag
from s3_migration.ledger.switching import observe_load
from s3_migration.model.reference import Reference
from s3_migration.model.throttle import Load, Next, Waited, decide
from s3_migration.steps import metrics
from s3_migration.steps.run import Run

log = logging.getLogger(__name__)

OBSERVE_EVERY = 1.0
SAY_EVERY = 30.0


class ReplicasBehind(AirflowException):
    """The replicas do not catch up. Time may fix it, or a person."""


class Throttle:
    """Asked before each batch; observes the load only where rows were written since, and at most once a second."""

    def __init__(self, run: Run, reference: Reference, *, due: bool) -> None:
        """:param due: observe it before the first batch too, and not only once something was written."""
        self._run = run
        self._rows = run.ledger.of_reference(reference)
        self._due = due
        self._waited = Waited()
        self._begun = time.monotonic()
        self._observed_at = self._said = -math.inf
        self._known_hidden = False

    def wrote(self, rows: int) -> None:
        self._due = self._due or rows > 0

    def wait(self) -> None:
        """Return when the next batch may go.

        :raises ReplicasBehind: they lag, and do not catch up for a long time.
        """
        if not self._due or time.monotonic() - self._observed_at < OBSERVE_EVERY:
            return
        waiting = Next.GO_ON
        while True:
            self._run.pacer.adjust()
            load = self._observe()
            following = decide(load, self._run.pacer.max_lag, self._waited)
            if following is Next.GIVE_UP:
                raise ReplicasBehind(self._behind(load))
            if following is Next.GO_ON:
                break
            if following is not waiting or time.monotonic() - self._said > SAY_EVERY:
                log.info("%s", self._why(load, following))
                self._said = time.monotonic()
            waiting = following
            self._pause(following)
        if waiting is not Next.GO_ON:
            log.info("it goes on")
        self._waited.for_replicas, self._due = 0.0, False

    def _observe(self) -> Load:
        self._observed_at = time.monotonic()
        self._waited.at_work = self._observed_at - self._begun
        found = observe_load(self._rows)
        query = self._run.declaration.database.lag_query
        lag = found.lag if query is None else self._declared(query)
        if query is None and found.hidden and not self._known_hidden:
            self._known_hidden = True
            log.warning(
                "%d replicas stream from this database and hide their lag from its role, so the switch does not wait "
                "for them. To have it wait: GRANT pg_read_all_stats TO the role, or declare database.lag_query",
                found.hidden,
            )
        if lag is not None and math.isfinite(lag):
            metrics.lagging(self._run.declaration.name, lag)
        return Load(lag, found.live_rows, found.dead_rows, found.vacuuming)

    def _declared(self, query: str) -> float | None:
        """A query that fails counts as a lag without end: who declared it wants it answered."""
        try:
            return declared_lag(self._run.ledger.connection, query)
        except (Error, NoLag) as error:
            if self._run.ledger.connection.closed:
                raise
            log.warning("database.lag_query failed: %s", error)
            return math.inf

    def _pause(self, reason: Next) -> None:
        begun = time.monotonic()
        time.sleep(OBSERVE_EVERY)
        seconds = time.monotonic() - begun
        if reason is Next.WAIT_FOR_REPLICAS:
            self._waited.for_replicas += seconds
        else:
            self._waited.for_vacuum += seconds

    def _why(self, load: Load, reason: Next) -> str:
        if reason is Next.WAIT_FOR_REPLICAS:
            return f"waits for the replicas: {_behind(load)} (database.max_lag: {self._limit})"
        return (
            f"waits for the vacuum of {self._rows.reference.table_name} to end, so that the space of its "
            f"{load.dead_rows} dead rows is used again (for a fifth of the time at most)"
        )

    @property
    def _limit(self) -> str:
        return f"{self._run.pacer.max_lag.total_seconds():.0f} s"

    def _behind(self, load: Load) -> str:
        return (
            f"Migration {self._run.declaration.name}: the switch waited {self._waited.for_replicas:.0f} s for the "
            f"replicas: {_behind(load)}, where database.max_lag allows {self._limit}. What is switched stays switched. "
            f"Fix: see why they do not catch up, or raise max_lag in the declaration; the task tries again by itself "
            f"(docs/runbook.md#switch_paths-is-red-or-retries)."
        )


def _behind(load: Load) -> str:
    if load.lag is None or math.isinf(load.lag):
        return "database.lag_query gives no answer"
    return f"{load.lag:.1f} s behind"
