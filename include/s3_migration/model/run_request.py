"""What a run is asked for: its params read, and anything that makes no sense refused. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from s3_migration.model.declaration import Declaration
from s3_migration.model.field_types import duration
from s3_migration.model.modes import Mode
from s3_migration.model.run_params import run_params
from s3_migration.model.time_window import TimeWindow


class BadRequest(ValueError):
    """A param that means nothing. Says which, what was expected, and what next."""


@dataclass(frozen=True)
class Request:
    """What a run was asked for.

    `acknowledge` maps a legacy key, or the name of a problem, to a reason; None takes the reason back.
    """

    mode: Mode
    limit: int | None = None
    grace_period: timedelta | None = None  # None: as declared
    time_window: TimeWindow | None = None  # None: whatever its age
    acknowledge: Mapping[str, str | None] = field(default_factory=dict)
    remove_copies: bool = False

    @classmethod
    def of(
        cls,
        params: Mapping[str, Any],
        declaration: Declaration,
        *,
        run_type: str = "manual",
        interval: tuple[datetime, datetime] | None = None,
    ) -> Request:
        """Read the run params; a scheduled run does what the declaration says, over all there is.

        :param run_type: Airflow's: manual, scheduled, backfill, …
        :param interval: the run's data interval, if it has one.
        :raises BadRequest: an unknown param or value.
        """

        def refuse(what: str, fix: str = "") -> BadRequest:
            return BadRequest(
                f"Migration {declaration.name}: {what}. Nothing was touched. Trigger a new run{fix and ' '}{fix}."
            )

        known = {param.name: param for param in run_params(declaration)}
        if unknown := sorted(set(params) - set(known)):
            raise refuse(f"unknown run params {', '.join(unknown)}; known are {', '.join(known)}", "without them")
        if run_type == "scheduled":
            return cls(declaration.scheduled_mode)
        given = {name: param.default for name, param in known.items()}
        for name, value in params.items():
            if value is None:
                continue
            if not known[name].accepts(value):
                raise refuse(f"{name} {value!r:.80}: expected {known[name].expected}")
            given[name] = value
        window = given["window"]
        if window == "auto":
            window = "data_interval" if run_type == "backfill" else "all"
        if window == "data_interval" and (interval is None or interval[0] >= interval[1]):
            raise refuse(
                "window data_interval: this run has no data interval to take objects from",
                "with window all, or a backfill (airflow backfill create)",
            )
        made = cls(
            Mode(given["mode"]),
            None if given["limit"] is None else int(given["limit"]),  # JSON Schema takes 5.0 for an integer
            None if given["grace_period"] is None else duration(given["grace_period"]),
            TimeWindow(*interval) if interval and window == "data_interval" else None,
            dict(given["acknowledge"] or {}),
            given["remove_copies"],
        )
        if made.remove_copies and not made.mode.undoes:
            raise refuse(f"remove_copies belongs to mode undo, not to {made.mode.value}", "without it")
        if made.acknowledge and not made.mode.changes:
            raise refuse("mode plan changes nothing, and so acknowledges nothing", "with another mode")
        return made
