"""What a run is asked for: its params read, and anything that makes no sense refused. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from s3_migration.model.declaration import Declaration, duration
from s3_migration.model.modes import Mode
from s3_migration.model.states import PROBLEMS
from s3_migration.model.time_window import TimeWindow

PARAMS = ("mode", "limit", "window", "grace_period", "acknowledge", "remove_copies")
WINDOWS = ("auto", "all", "data_interval")


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

        if unknown := sorted(set(params) - set(PARAMS)):
            raise refuse(f"unknown run params {', '.join(unknown)}; known are {', '.join(PARAMS)}", "without them")
        if run_type == "scheduled":
            return cls(declaration.scheduled_mode)
        given = {name: value for name, value in params.items() if value is not None}
        mode = _one_of(given, "mode", [mode.value for mode in Mode], Mode.MOVE.value, refuse)
        window = _one_of(given, "window", WINDOWS, "auto", refuse)
        if window == "auto":
            window = "data_interval" if run_type == "backfill" else "all"
        if window == "data_interval" and (interval is None or interval[0] >= interval[1]):
            raise refuse(
                "window data_interval: this run has no data interval to take objects from",
                "with window all, or a backfill (airflow backfill create)",
            )
        made = cls(
            Mode(mode),
            _limit(given, refuse),
            _grace_period(given, refuse),
            TimeWindow(*interval) if interval and window == "data_interval" else None,
            _acknowledge(given, refuse),
            bool(given.get("remove_copies", False)),
        )
        if made.remove_copies and not made.mode.undoes:
            raise refuse(f"remove_copies belongs to mode undo, not to {mode}", "without it")
        if made.acknowledge and not made.mode.changes:
            raise refuse("mode plan changes nothing, and so acknowledges nothing", "with another mode")
        return made


_Refuse = Callable[..., BadRequest]


def _one_of(given: Mapping[str, Any], name: str, known: Any, default: str, refuse: _Refuse) -> str:
    value = given.get(name, default)
    if value not in known:
        raise refuse(f"unknown {name} {value!r}; known are {', '.join(known)}", "with one of them")
    return str(value)


def _limit(given: Mapping[str, Any], refuse: _Refuse) -> int | None:
    limit = given.get("limit")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise refuse(f"limit {limit!r}: expected a whole number of objects from 1, or nothing for all")
    return limit


def _grace_period(given: Mapping[str, Any], refuse: _Refuse) -> timedelta | None:
    if "grace_period" not in given:
        return None
    try:
        return duration(given["grace_period"])
    except ValueError as error:
        raise refuse(f"grace_period {given['grace_period']!r}: {error}") from error


def _acknowledge(given: Mapping[str, Any], refuse: _Refuse) -> dict[str, str | None]:
    reasons = given.get("acknowledge", {})
    if not isinstance(reasons, dict) or not all(
        reason is None or (isinstance(reason, str) and reason.strip()) for reason in reasons.values()
    ):
        raise refuse(
            f"acknowledge {reasons!r:.80}: expected reasons by legacy key or by problem ({', '.join(PROBLEMS)}), "
            'e.g. {"image/a.png": "broken since 2019"}; null takes one back'
        )
    return dict(reasons)
