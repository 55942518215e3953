"""The completion report: one line an object, with what became of it, for whoever asks later.

Parts of gzipped CSV, each with its header, and last a manifest with their numbers and checksums: where it is, all of it
is. A part is made in memory and written at once; each has its own short transaction, so that a hundred million lines
hold up nothing. Written again, by a run that was killed at it, it takes the same names.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from botocore.exceptions import BotoCoreError, ClientError

from s3_migration.ledger.connection import MigrationLedger
from s3_migration.ledger.reporting import parts, report_lines
from s3_migration.model.declaration import Declaration
from s3_migration.s3.errors import error_text
from s3_migration.s3.hook import BulkS3Hook
from s3_migration.steps.gzipped import gzipped
from s3_migration.steps.preflight.errors import PreflightFailed

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
_CHECK = ".s3-migration-check"


class ReportNotWritten(PreflightFailed):
    """The place does not take it: seen by the check, or by the run that ends."""


class Place(Protocol):
    """Where a report goes: what is written under a name is there whole, or not at all."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    def write(self, file: str, content: bytes) -> None: ...

    def read(self, file: str) -> bytes: ...


@dataclass(frozen=True)
class Directory:
    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def write(self, file: str, content: bytes) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        partial = self.path / f"{file}.partial"
        with partial.open("wb") as written:
            written.write(content)
            written.flush()
            os.fsync(written.fileno())
        partial.replace(self.path / file)

    def read(self, file: str) -> bytes:
        return (self.path / file).read_bytes()


@dataclass(frozen=True)
class Keys:
    """Below a prefix of production's bucket."""

    hook: BulkS3Hook
    bucket: str
    prefix: str

    @property
    def name(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def write(self, file: str, content: bytes) -> None:
        kind = "application/json" if file.endswith(".json") else "application/gzip"
        self.hook.client.put_object(Bucket=self.bucket, Key=f"{self.prefix}{file}", Body=content, ContentType=kind)

    def read(self, file: str) -> bytes:
        return self.hook.client.get_object(Bucket=self.bucket, Key=f"{self.prefix}{file}")["Body"].read()


def declared_place(declaration: Declaration, production: BulkS3Hook, of: str) -> Place | None:
    """Where the report of a run is declared to go; None: nowhere.

    :param of: what tells it from others: a run's id.
    """
    declared, name = declaration.completion_report, re.sub(r"[^\w-]", "_", of)
    if declared is None:
        return None
    if declared.directory is not None:
        return Directory(Path(declared.directory) / declaration.name / name)
    return Keys(production, declaration.production.bucket, f"{declaration.report_prefix}{name}/")


def check_place(declaration: Declaration, production: BulkS3Hook) -> None:
    """See that a report could be written: an empty file there, which stays.

    :raises ReportNotWritten: it could not.
    """
    if place := declared_place(declaration, production, "check"):
        with _explained(declaration, place):
            place.write(_CHECK, b"")


def write(ledger: MigrationLedger, place: Place, run_id: str, stop_if_asked: Callable[[], None] = lambda: None) -> str:
    """Write it; answers the manifest's place.

    :param run_id: of the run that it is the end of.
    :param stop_if_asked: is called between two parts, and may raise.
    :raises ReportNotWritten: the place does not take it. Written again, it is whole.
    """
    with _explained(ledger.declaration, place):
        states = Counter[str]()
        written = []
        for part in _parts(ledger, place, states):
            written.append(part)
            stop_if_asked()
        manifest = {
            "migration": ledger.declaration.name,
            "run": run_id,
            "legacy": ledger.declaration.legacy.address,
            "production": ledger.declaration.production.address,
            "format": 'CSV with a header, UTF-8, gzip; times are UTC; absent is nothing, empty is ""',
            "objects": states.total(),
            "states": dict(states),
            "parts": written,
        }
        place.write(MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False).encode() + b"\n")
    return f"{place.name.rstrip('/')}/{MANIFEST}"


def _parts(ledger: MigrationLedger, place: Place, states: Counter[str]) -> Iterator[dict[str, object]]:
    """Write them one by one.

    :param states: counts the objects of all by state.
    """
    for number, part in enumerate(parts(ledger), 1):
        of_part = Counter[str]()
        content = b"".join(gzipped(_counted(report_lines(ledger, part), of_part)))
        states += of_part
        name, objects = f"part-{number:05}.csv.gz", of_part.total()
        place.write(name, content)
        log.info("completion report: %s in %s, %d objects", name, place.name, objects)
        yield {
            "name": name,
            "objects": objects,
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }


def _counted(lines: Iterator[bytes], states: Counter[str]) -> Iterator[bytes]:
    """The same lines, the header first: PostgreSQL sends each as a message of its own, the state first."""
    yield next(lines)
    for line in lines:
        states[line.partition(b",")[0].decode()] += 1
        yield line


@contextmanager
def _explained(declaration: Declaration, place: Place) -> Iterator[None]:
    try:
        yield
    except (OSError, ClientError, BotoCoreError) as error:
        said = error_text(error) if isinstance(error, (ClientError, BotoCoreError)) else str(error)
        raise ReportNotWritten(
            f"Migration {declaration.name}: the completion report cannot be written to {place.name}: "
            f"{said.rstrip('.')}. All that was moved stays moved. Fix: give the right to write there (python -m "
            f"s3_migration setup {declaration.name} --iam), or correct completion_report in the "
            f"declaration; then clear this task."
        ) from error
