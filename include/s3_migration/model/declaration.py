"""A migration as declared in `include/migrations/<name>.yaml`, read and checked."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from croniter import CroniterBadDateError, croniter
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictInt,
    ValidationError,
    model_validator,
)

from s3_migration.model.key_mapping import KeyMapping
from s3_migration.model.modes import Mode

# A deployment may keep its declarations elsewhere.
DIRECTORY_VARIABLE = "S3_MIGRATION_DECLARATIONS"
DIRECTORY = Path(os.environ.get(DIRECTORY_VARIABLE) or Path(__file__).parents[2] / "migrations")

# A deployment (the embedded stack among them) may shorten or lengthen the grace period of all its migrations.
GRACE_PERIOD_VARIABLE = "S3_MIGRATION_GRACE_PERIOD"

_NAME = r"^[a-z][a-z0-9_]{0,39}$"
DURATION = r"\s*([0-9]{1,9})\s*([smhd])\s*"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Engine(str, Enum):
    """What sends the requests that come by the million."""

    CRT = "crt"  # AWS's Common Runtime; boto3 in threads where that cannot serve, e.g. behind a proxy
    THREADS = "threads"  # boto3 in threads


class DeclarationError(ValueError):
    """A declaration that cannot be used. The message names file, field, value and fix."""


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
    unit = next(unit for unit in reversed(sizes) if seconds % sizes[unit] == 0)
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
]
_KEPT = r"^[^\x00]*$"  # PostgreSQL keeps no NUL, and Airflow then no DAG of the file that this one is in
Text = Annotated[str, Field(min_length=1, pattern=_KEPT)]


def by_schedule(value: object) -> Mode:
    """A mode that scheduled runs may have: an undo is for runs by hand."""
    modes = [mode.value for mode in Mode if not mode.undoes]
    if value not in modes:
        raise ValueError(f"expected {', '.join(modes[:-1])} or {modes[-1]}")
    return Mode(value)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Store(_Part):
    """One side of the move: a prefix of a bucket, and how rows name the keys below it."""

    conn_id: Text
    bucket: Text
    prefix: Annotated[Text, Field(description="keys below it take part, e.g. image/")]
    path_prefix: Annotated[Text, Field(description="what stands for the prefix in a row; default: the prefix")] = ""

    @model_validator(mode="before")
    @classmethod
    def _path_prefix_is_the_prefix_by_default(cls, value: Any) -> Any:
        # A prefix that is refused is one fault, not two.
        prefix = value.get("prefix") if isinstance(value, dict) else None
        return {"path_prefix": prefix, **value} if prefix and isinstance(prefix, str) else value


class Database(_Part):
    """The column whose values name the objects. The table may carry its schema: `shop.avatars`.

    Table and column as the database has them, without quotes, capital letters included: `catalog.ProductPictures`.

    While the replicas are further behind than `max_lag`, no row is switched. How far they are is read from
    pg_stat_replication, or where that shows nothing (Aurora, a read replica of another kind, a role without
    pg_read_all_stats) by a query of yours: `SELECT extract(epoch FROM now() - max(at)) FROM heartbeat`.
    """

    conn_id: Text
    table: Annotated[str, Field(pattern=r"^[^.]+(\.[^.]+)?$")]
    column: Text
    lag_query: (
        Annotated[str, AfterValidator(query), Field(description="one SELECT that gives the replicas' lag in seconds")]
        | None
    ) = None
    max_lag: Annotated[Duration, Field(gt=timedelta(0), description="more lag holds up the switch")] = timedelta(
        seconds=10
    )


class Notifier(_Part):
    """Any notifier of Airflow's, e.g. a provider's for Slack or PagerDuty.

    Its arguments may hold Jinja where it renders them (its template_fields). What there is to tell is `alert`, e.g.
    `{{ alert.subject }}`; beside subject it has text, html, url (of the run in the UI), event (failed, late or
    finished), migration, run_id and mode.
    """

    notifier: Annotated[
        Text, Field(description="its class, e.g. airflow.providers.slack.notifications.slack.SlackNotifier")
    ]
    arguments: Annotated[dict[str, Any], Field(description="of the class; no secrets: name a connection")] = {}


class Alerts(_Part):
    """Who is told when a run failed, is late, or has finished the migration. Nobody by default."""

    emails: Annotated[list[Annotated[str, AfterValidator(email)]], Field(description="one mail to all of them")] = []
    smtp_conn_id: Annotated[Text, Field(description="connection of type SMTP that sends the mails")] = "smtp_default"
    from_email: (
        Annotated[str, AfterValidator(email), Field(description="default: from_email in the connection's extra")] | None
    ) = None
    notifiers: Annotated[list[Notifier], Field(description="others to tell")] = []
    late_after: (
        Annotated[
            Duration, Field(gt=timedelta(0), description="a run not finished this long after it was queued is late")
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def _late_for_somebody(self) -> Alerts:
        if self.late_after is not None and not (self.emails or self.notifiers):
            raise ValueError("late_after is set, and neither emails nor notifiers say who is told")
        return self


class Declaration(_Part):
    """Everything one migration needs to know. Durations: `90s`, `15m`, `24h`, `7d`."""

    name: Annotated[str, Field(pattern=_NAME)]
    description: Annotated[str, Field(pattern=_KEPT)] = ""
    legacy: Store
    production: Store
    database: Database
    schedule: Annotated[str, AfterValidator(cron)] | None = None  # none: only by hand
    timezone: Annotated[str, AfterValidator(timezone_name)] = "UTC"
    scheduled_mode: Annotated[Mode, BeforeValidator(by_schedule), Field(description="what scheduled runs do")] = (
        Mode.PLAN
    )
    chunk_size: Annotated[StrictInt, Field(ge=1, le=10_000_000, description="objects a mapped task")] = 10_000
    parallel_chunks: Annotated[StrictInt, Field(ge=1, le=256, description="mapped tasks at once")] = 4
    requests_in_flight: Annotated[StrictInt, Field(ge=1, le=1_000, description="S3 requests at once, a task")] = 128
    engine: Annotated[Engine, Field(description="what sends them")] = Engine.CRT
    grace_period: Annotated[Duration, Field(description="from the switch to the deletion")] = timedelta(hours=24)
    proof_max_age: Annotated[Duration, Field(gt=timedelta(0), description="oldest proof that deletes")] = timedelta(
        hours=1
    )
    unreferenced: Annotated[
        Literal["move"] | None,
        Field(
            description="move: objects that no row names are moved as all others are. Absent: where that is more than "
            "half of 100 objects or more, nothing is deleted, since their rows may be spelt otherwise"
        ),
    ] = None
    retries: Annotated[StrictInt, Field(ge=0, le=20, description="of a task, for what time can fix")] = 3
    retry_delay: Annotated[Duration, Field(description="before the first retry; doubles")] = timedelta(seconds=30)
    pool: Annotated[
        Text,
        Field(
            description="Airflow pool of copy_chunk and delete_chunk: its slots limit how many of them run at once, of "
            "all migrations that name it. It must exist (airflow pools set s3_migration 4 'bulk of migrations', or "
            "Admin, Pools in the UI): Airflow never starts a task of a pool that it does not know"
        ),
    ] = "default_pool"
    owners: Annotated[list[Text], Field(min_length=1)] = ["sre"]
    alerts: Annotated[Alerts, Field(description="who is told of a run")] = Alerts()

    @model_validator(mode="after")
    def _two_places(self) -> Declaration:
        """Refuse sides that overlap: a copy would be listed as legacy, or a switched row taken for an old one."""
        if self.legacy.bucket == self.production.bucket:
            _refuse_nested("prefix", self.legacy.prefix, self.production.prefix, "in one bucket")
        _refuse_nested(
            "path_prefix", self.legacy.path_prefix, self.production.path_prefix, "or switched rows look unswitched"
        )
        return self

    @property
    def keys(self) -> KeyMapping:
        return KeyMapping(
            self.legacy.prefix, self.production.prefix, self.legacy.path_prefix, self.production.path_prefix
        )

    @property
    def table(self) -> tuple[str, ...]:
        """The table's identifier parts: (table,) or (schema, table)."""
        return tuple(self.database.table.split("."))


def _refuse_nested(field: str, legacy: str, production: str, why: str) -> None:
    if legacy.startswith(production) or production.startswith(legacy):
        raise ValueError(
            f"legacy.{field} {legacy!r} and production.{field} {production!r} must not be equal or nested {why}"
        )


def paths() -> list[Path]:
    """The declarations' files, in the order of their names.

    :raises DeclarationError: their directory cannot be read.
    """
    try:
        return sorted(path for path in DIRECTORY.iterdir() if path.suffix in {".yaml", ".yml"})
    except OSError as error:
        raise DeclarationError(f"{DIRECTORY}: {error.strerror}. Fix: correct {DIRECTORY_VARIABLE}.") from error


def sound() -> list[Declaration]:
    """The declarations that can be read; the UI shows what is wrong with the others."""
    found = []
    for path in paths():
        with suppress(DeclarationError):
            found.append(load(path))
    return found


def of_file(name: str) -> Declaration:
    """The declaration in the file of this name.

    :raises DeclarationError: there is none, or it cannot be read.
    """
    files = {path.stem: path for path in paths()}
    if name not in files:
        raise DeclarationError(
            f"{DIRECTORY}: there is no {name}.yaml. Fix: name one of {', '.join(files) or '(none)'}, or set "
            f"{DIRECTORY_VARIABLE} as Airflow has it."
        )
    return load(files[name])


def load(path: Path) -> Declaration:
    """Read one declaration.

    :raises DeclarationError: it cannot be read; names file, field, value and fix.
    """
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError, OSError) as error:
        raise DeclarationError(f"{path}: not readable as YAML: {error}. Fix: correct the file.") from error
    if not isinstance(fields, dict):
        raise DeclarationError(
            f"{path}: expected fields (legacy, production, database, …), got {fields!r:.80}. "
            f"Fix: see include/migrations/avatars.yaml for an example."
        )
    if grace := os.environ.get(GRACE_PERIOD_VARIABLE):
        fields = {**fields, "grace_period": grace}
    try:
        return Declaration.model_validate({"name": path.stem, **fields})
    except ValidationError as error:
        raise DeclarationError("\n".join(_explain(path, fault) for fault in error.errors())) from error


def _explain(path: Path, fault: Any) -> str:
    field = ".".join(str(part) for part in fault["loc"]) or "legacy, production"
    place: object = path
    if field == "grace_period" and os.environ.get(GRACE_PERIOD_VARIABLE):
        place, got, fix = "the environment", _short(fault["input"]), f"correct or unset {GRACE_PERIOD_VARIABLE}"
    elif field == "name":
        got, fix = _short(fault["input"]), "rename the file: small letters, digits and _, at most 40"
    elif fault["type"] == "missing":
        got, fix = "absent", f"add {field}"
    elif fault["type"] == "extra_forbidden":
        got, fix = _short(fault["input"]), f"remove {field}, or correct its spelling"
    else:
        got, fix = _short(fault["input"]), f"correct {field}"
    said = fault["msg"].removeprefix("Value error, ")
    return f"{place}: {field}: {got}: {said}. Fix: {fix} (fields: include/s3_migration/model/declaration.py)."


def _short(value: object) -> str:
    return "the whole" if isinstance(value, dict) else repr(value)[:80]
