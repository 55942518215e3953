"""A migration as declared in `include/migrations/<name>.yaml`, read and checked."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, StrictInt, ValidationError, WithJsonSchema, model_validator

from s3_migration.model.declaration_faults import GRACE_PERIOD_VARIABLE, explain, field_names
from s3_migration.model.declared_alerts import Alerts
from s3_migration.model.declared_approval import Approval
from s3_migration.model.declared_report import CompletionReport
from s3_migration.model.declared_store import Production, Store
from s3_migration.model.field_types import NO_NUL, Duration, Part, Text, cron, query, timezone_name
from s3_migration.model.key_mapping import KeyMapping
from s3_migration.model.modes import Mode
from s3_migration.model.reference import DEFAULT_SCHEMA, Reference

# A deployment may keep its declarations elsewhere.
DIRECTORY_VARIABLE = "S3_MIGRATION_DECLARATIONS"
DIRECTORY = Path(os.environ.get(DIRECTORY_VARIABLE) or Path(__file__).parents[2] / "migrations")

_NAME = r"^[a-z][a-z0-9_]{0,39}$"


class Engine(str, Enum):
    """What sends the requests that come by the million."""

    CRT = "crt"  # AWS's Common Runtime; boto3 in threads where that cannot serve, e.g. behind a proxy
    THREADS = "threads"  # boto3 in threads


class DeclarationError(ValueError):
    """A declaration that cannot be used. The message names file, field, value and fix."""


def by_schedule(value: object) -> Mode:
    """A mode that scheduled runs may have: an undo is for runs by hand."""
    modes = [mode.value for mode in Mode if not mode.undoes]
    if value not in modes:
        raise ValueError(f"expected {', '.join(modes[:-1])} or {modes[-1]}")
    return Mode(value)


class PathPrefix(Part):
    """What a row's path begins with, on either side."""

    legacy: Annotated[str, Field(pattern=NO_NUL)]
    production: Annotated[str, Field(pattern=NO_NUL)]


class ReferenceEntry(Part):
    """One place whose values name the objects.

    Table and column as the database has them, without quotes, capital letters included: `catalog.ProductPictures`.
    Without a schema the table is that of schema public, whatever the role's search_path.
    """

    table: Annotated[str, Field(pattern=r"^[^.]+(\.[^.]+)?$", description="such as avatars, or catalog.pictures")]
    column: Annotated[Text, Field(description="text, varchar, text[] or jsonb")]
    path_prefix: Annotated[PathPrefix | None, Field(description="default: the path_prefix of each side")] = None
    path_encoding: Annotated[
        Literal["plain", "url"],
        Field(description="url: what follows the prefix is percent-encoded, and stays as the row has it"),
    ] = "plain"
    array: Annotated[bool, Field(description="of a text[]: each element holds one path")] = False
    json_path: Annotated[
        list[Text], Field(description="of a jsonb: the object keys and array indexes that lead to the path")
    ] = []

    @model_validator(mode="after")
    def _one_kind(self) -> ReferenceEntry:
        if self.array and self.json_path:
            raise ValueError("array is of a text[], json_path of a jsonb: expected one of them, or none")
        return self


class Database(Part):
    """The columns whose values name the objects: `references`, or `table` and `column` where it is one.

    While the replicas are further behind than `max_lag`, no row is switched. How far they are is read from
    pg_stat_replication, or where that shows nothing (Aurora, a read replica of another kind, a role without
    pg_read_all_stats) by a query of yours: `SELECT extract(epoch FROM now() - max(at)) FROM heartbeat`.
    """

    conn_id: Annotated[Text, Field(description="Airflow's connection, of type Postgres")]
    references: Annotated[list[ReferenceEntry], Field(min_length=1, description="every column that names the objects")]
    ignored_columns: Annotated[
        list[Annotated[str, Field(pattern=r"^[^.]+(\.[^.]+){1,2}$")]],
        Field(description="columns that hold such paths and serve nobody, such as a log's: audit.old_path"),
    ] = []
    lag_query: (
        Annotated[str, AfterValidator(query), Field(description="one SELECT that gives the replicas' lag in seconds")]
        | None
    ) = None
    max_lag: Annotated[Duration, Field(gt=timedelta(0), description="more lag holds up the switch")] = timedelta(
        seconds=10
    )

    @model_validator(mode="before")
    @classmethod
    def _flat_is_one_reference(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        flat = {name: value[name] for name in ReferenceEntry.model_fields if name in value}
        if "references" in value and flat:
            raise ValueError(f"{', '.join(flat)} beside references: expected them in an entry of references")
        if "references" in value:
            return value
        rest = {name: given for name, given in value.items() if name not in flat}
        return {**rest, "references": [flat]}


class Declaration(Approval):
    """Everything one migration needs to know. Durations: `90s`, `15m`, `24h`, `7d`."""

    name: Annotated[str, Field(pattern=_NAME)]
    description: Annotated[str, Field(pattern=NO_NUL, description="as Airflow shows it with the DAG")] = ""
    legacy: Annotated[Store, Field(description="where the objects are")]
    production: Annotated[Production, Field(description="where they go, and how they are copied")]
    database: Annotated[Database, Field(description="whose rows name them")]
    schedule: (
        Annotated[
            str,
            AfterValidator(cron),
            Field(description="cron expression of five fields, or one such as @daily; absent: only by hand"),
        ]
        | None
    ) = None
    timezone: Annotated[str, AfterValidator(timezone_name), Field(description="of the schedule")] = "UTC"
    scheduled_mode: Annotated[
        Mode,
        BeforeValidator(by_schedule),
        Field(description="what scheduled runs do"),
        WithJsonSchema({"enum": [mode.value for mode in Mode if not mode.undoes]}),
    ] = Mode.PLAN
    chunk_size: Annotated[StrictInt, Field(ge=1, le=10_000_000, description="objects a mapped task")] = 10_000
    parallel_chunks: Annotated[StrictInt, Field(ge=1, le=256, description="mapped tasks at once")] = 4
    parallel_passes: Annotated[StrictInt, Field(ge=1, le=16, description="sessions at once that read the tables")] = 1
    requests_in_flight: Annotated[StrictInt, Field(ge=1, le=1_000, description="S3 requests at once, a task")] = 128
    engine: Annotated[Engine, Field(description="what sends them")] = Engine.CRT
    grace_period: Annotated[Duration, Field(description="from the switch to the deletion")] = timedelta(hours=24)
    proof_max_age: Annotated[Duration, Field(gt=timedelta(0), description="oldest look at the rows that deletes")] = (
        timedelta(hours=1)
    )
    unreferenced: Annotated[
        Literal["move", "keep"] | None,
        Field(
            description="objects that no row names. move: as all others. keep: they stay in legacy. Absent: moved; but "
            "where these are more than half of 100 objects or more, nothing is deleted: rows may be spelt otherwise"
        ),
    ] = None
    compare: Annotated[
        Literal["list", "head"],
        Field(
            description="how a copy is compared before its original is deleted. list: size, ETag, time. head: headers, "
            "metadata and the number of tags as well, by two requests an object: tags change neither ETag nor time"
        ),
    ] = "list"
    verify: Annotated[
        Literal["list", "checksum"],
        Field(
            description="what proves that a copy holds the bytes of its original. list: size and ETag, as listed. "
            "checksum: the checksums too, by a HEAD a side; where these cannot tell, equal ETags; else all bytes are "
            "fetched and compared"
        ),
    ] = "list"
    checksum_share: Annotated[
        float, Field(gt=0, le=1, description="of verify: checksum: the share of the objects, the same ones each time")
    ] = 1
    completion_report: Annotated[
        CompletionReport | None, Field(description="one line an object, when the last one is moved; absent: none")
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
    owners: Annotated[list[Text], Field(min_length=1, description="as Airflow shows them with the DAG")] = ["sre"]
    alerts: Annotated[Alerts, Field(description="who is told of a run")] = Alerts()

    @model_validator(mode="after")
    def _two_places(self) -> Declaration:
        """Refuse sides that overlap: a copy would be listed as legacy, or a switched row taken for an old one."""
        if self.legacy.bucket == self.production.bucket:
            _refuse_nested("prefix", self.legacy.prefix, self.production.prefix, "in one bucket")
        _refuse_nested(
            "path_prefix", self.legacy.path_prefix, self.production.path_prefix, "or switched rows look unswitched"
        )
        _refuse_unlike("prefix", self.legacy.prefix, self.production.prefix)
        _refuse_unlike("path_prefix", self.legacy.path_prefix, self.production.path_prefix)
        return self

    @model_validator(mode="after")
    def _report_beside_the_objects(self) -> Declaration:
        """Below production's prefix the report would be taken for objects of the product."""
        prefix = self.completion_report and self.completion_report.prefix
        if prefix:
            sides = [self.production, *([self.legacy] if self.legacy.bucket == self.production.bucket else [])]
            for side in sides:
                if prefix.startswith(side.prefix) or side.prefix.startswith(prefix):
                    raise ValueError(
                        f"completion_report.prefix {prefix!r} and {side.prefix!r} must not be equal or nested, or the "
                        f"report is taken for an object of the product"
                    )
        return self

    @model_validator(mode="after")
    def _share_of_something(self) -> Declaration:
        if self.verify != "checksum" and self.checksum_share != 1:
            raise ValueError("checksum_share is of verify: checksum, which is not declared")
        return self

    @model_validator(mode="after")
    def _references_of_their_own(self) -> Declaration:
        seen: set[object] = set()
        for number, entry in enumerate(self.database.references):
            if given := entry.path_prefix:
                why = "or switched rows look unswitched"
                _refuse_nested("path_prefix", given.legacy, given.production, why, f"references.{number}.")
                _refuse_unlike("path_prefix", given.legacy, given.production, f"references.{number}.")
            reference = self._reference(entry)
            place = reference.schema, reference.table, reference.column, reference.json_path
            if place in seen:
                raise ValueError(f"references.{number}: {reference.name} is declared twice")
            seen.add(place)
        return self

    @property
    def report_prefix(self) -> str | None:
        """Of the keys of all its completion reports, in production's bucket; None: they go elsewhere, or nowhere."""
        prefix = self.completion_report and self.completion_report.prefix
        return f"{prefix}{self.name}/" if prefix else None

    @property
    def keys(self) -> KeyMapping:
        return KeyMapping(
            self.legacy.prefix, self.production.prefix, self.legacy.path_prefix, self.production.path_prefix
        )

    @cached_property
    def references(self) -> tuple[Reference, ...]:
        """Every place whose values name the objects, as declared, with the defaults filled in."""
        return tuple(self._reference(entry) for entry in self.database.references)

    def _reference(self, entry: ReferenceEntry) -> Reference:
        keys, given = self.keys, entry.path_prefix
        if given is not None:
            keys = replace(keys, legacy_path_prefix=given.legacy, production_path_prefix=given.production)
        schema, table = (DEFAULT_SCHEMA, *entry.table.split("."))[-2:]
        url_encoded = entry.path_encoding == "url"
        return Reference(schema, table, entry.column, keys, entry.array, tuple(entry.json_path), url_encoded)


def _names(field: str, entry: str) -> tuple[str, str]:
    return (
        (f"{entry}{field}.legacy", f"{entry}{field}.production")
        if entry
        else (f"legacy.{field}", f"production.{field}")
    )


def _refuse_nested(field: str, legacy: str, production: str, why: str, entry: str = "") -> None:
    if legacy.startswith(production) or production.startswith(legacy):
        one, other = _names(field, entry)
        raise ValueError(f"{one} {legacy!r} and {other} {production!r} must not be equal or nested {why}")


def _refuse_unlike(field: str, legacy: str, production: str, entry: str = "") -> None:
    """What follows a prefix is kept as it is: image/x would become avatarx."""
    if legacy and production and legacy.endswith("/") != production.endswith("/"):
        one, other = _names(field, entry)
        raise ValueError(
            f"{one} {legacy!r} and {other} {production!r}: expected both to end with / or neither, since "
            f"{legacy + 'x'!r} becomes {production + 'x'!r}"
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
        flat = "references" not in (database if isinstance(database := fields.get("database"), dict) else {})
        names = field_names(Declaration)
        faults = (explain(path, fault, names, flat=flat) for fault in error.errors())
        raise DeclarationError("\n".join(faults)) from error
