"""The types of a declaration's fields: each says what it expects. Pure."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadDateError, croniter
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

DURATION = r"\s*([0-9]{1,9})\s*([smhd])\s*"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(value: object) -> timedelta:
    """Read `90s`, `15m`, `24h` or `7d`. No bare number: a grace period of 24 would be one of seconds."""
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(DURATION, value, re.ASCII) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected a duration with its unit, e.g. 90s, 15m, 24h or 7d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def duration_text(value: timedelta) -> str:
    """As `duration` reads it, in the largest unit that it is whole in."""
    seconds = int(value.total_seconds())
    sizes = {unit: int(timedelta(**{name: 1}).total_seconds()) for unit, name in _UNITS.items()}
    unit = next(unit for unit in reversed(sizes) if seconds % sizes[unit] == 0) if seconds else "s"
    return f"{seconds // sizes[unit]}{unit}"


def cron(value: str) -> str:
    """A cron expression of five fields, or a preset such as `@daily`."""
    if not croniter.is_valid(value) or len(value.split()) > 5:
        raise ValueError(f"{value!r} is no cron expression, e.g. 0 2 * * * for every night at two")
    try:
        croniter(value).get_next()
    except CroniterBadDateError as error:  # Airflow would keep no DAG of the file that this one is in
        raise ValueError(f"{value!r} never comes, e.g. no February has 30 days") from error
    return value


def timezone_name(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{value!r} is no time zone, e.g. Europe/Zurich") from error
    return value


def query(value: str) -> str:
    if not value.strip():
        raise ValueError("expected one SELECT that gives the lag in seconds, or nothing")
    return value


def email(value: str) -> str:
    if not re.fullmatch(r"[^@\s,;{}]+@[^@\s,;{}]+", value):
        raise ValueError("expected one address, e.g. sre@example.com")
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(duration),
    Field(ge=timedelta(0), le=timedelta(days=3650)),
    PlainSerializer(duration_text, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": f"^{DURATION}$", "examples": ["24h"]}),
]
NO_NUL = r"^[^\x00]*$"  # PostgreSQL keeps no NUL, and Airflow then no DAG of the file that this one is in
Text = Annotated[str, Field(min_length=1, pattern=NO_NUL)]


class Part(BaseModel):
    """A part of a declaration: unknown fields are refused, and nothing changes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
