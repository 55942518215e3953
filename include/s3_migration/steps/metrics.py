"""What the steps do, as metrics of Airflow's own: StatsD, OpenTelemetry or Datadog, whichever it is configured for.

docs/metrics.md lists them. All have the tag `migration`; what is sent is what is written down, batch by batch, so that
a graph moves while a task is at work. Where Airflow sends no metrics nothing happens.
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow.sdk.observability import stats

from s3_migration.model.account import NOT_DECLARED
from s3_migration.model.states import PROBLEMS

_PREFIX = "s3_migration"
# Of a number that was sent whole, these are shares; so is an object's class, and a column's rows.
_SHARES = (" of ", "class ", "sample ", NOT_DECLARED)


def counted(migration: str, step: str, what: str, number: int, *, add: bool) -> None:
    """What a step has counted (`Run.tally`).

    :param add: it is more of the same; else the number is what it is now.
    """
    tags = {"migration": migration, "step": step}
    if what.startswith("S3 "):
        _, operation, status, *_ = (*what.split(), "")
        stats.incr(f"{_PREFIX}.requests", number, tags={**tags, "operation": operation, "status": status})
    elif not any(share in what for share in _SHARES):
        name = f"{_PREFIX}.{what.replace(' ', '_')}"
        if add:
            stats.incr(name, number, tags=tags)
        else:
            stats.gauge(name, number, tags=tags)


def lagging(migration: str, seconds: float) -> None:
    """How far the replicas are behind."""
    stats.gauge(f"{_PREFIX}.replica_lag", seconds, tags={"migration": migration})


def left(migration: str, states: Mapping[str, int]) -> None:
    """Objects by state at the end of a run; each kind of problem, the ones that there are none of as well."""
    for state in dict.fromkeys((*states, *PROBLEMS)):
        tags = {"migration": migration, "state": state}
        stats.gauge(f"{_PREFIX}.state", states.get(state, 0), tags=tags)
