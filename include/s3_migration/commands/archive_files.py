"""The archive as files: a directory that anybody can read without this project.

A gzipped CSV a table (as PostgreSQL writes it: absent is nothing, empty is ""), `declaration.json`, `manifest.json`,
`SHA256SUMS` for `sha256sum --check`, and `restore.sql` for whoever wants to ask it in SQL.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from s3_migration.commands.answer import CommandError
from s3_migration.steps.gzipped import gzipped

MANIFEST, SUMS = "manifest.json", "SHA256SUMS"
# In the order in which they can be filled again, with the statement that reads each.
TABLES = {
    "schema_version": "archive_of_all",
    "migration": "archive_of_migration",
    "run": "archive_of_migration",
    "ledger": "archive_of_migration",
    "chunk": "archive_of_runs",
    "tally": "archive_of_runs",
    "timing": "archive_of_runs",
    "acknowledged": "archive_of_migration",
}
_BLOCK = 1 << 20


class ArchiveError(CommandError):
    """The archive cannot be written, or is incomplete. The message says what, where and how to fix it."""


@dataclass(frozen=True)
class Manifest:
    """What the archive holds, and how to tell that the ledger is as it was then."""

    migration: str
    made_at: str
    finished: bool
    left: list[str]  # what was not done, where it was not finished
    reason: str | None  # why it was archived all the same
    schema_version: int
    lease_token: int
    newest_run: str | None  # when it began
    server: str
    rows: dict[str, int]

    @classmethod
    def read(cls, directory: Path) -> Manifest:
        return cls(**json.loads((directory / MANIFEST).read_text(encoding="utf-8")))


def csv_name(table: str) -> str:
    return f"{table}.csv.gz"


class Writer:
    """An archive while it is written, under a name that nobody mistakes for a complete one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._sums: dict[str, str] = {}

    def table(self, name: str, blocks: Iterable[bytes]) -> None:
        """Write the blocks that COPY sends, as they come; memory stays bounded."""
        self._write(csv_name(name), gzipped(blocks))

    def text(self, name: str, text: str) -> None:
        self._write(name, [text.encode()])

    def close(self, manifest: Manifest) -> None:
        self.text(MANIFEST, json.dumps(asdict(manifest), indent=2, ensure_ascii=False) + "\n")
        self.text(SUMS, "".join(f"{digest}  {name}\n" for name, digest in sorted(self._sums.items())))

    def _write(self, name: str, blocks: Iterable[bytes]) -> None:
        """Make a new file: on the disk in the end, with the checksum of what was to be written."""
        checksum = hashlib.sha256()
        with (self._directory / name).open("xb") as file:
            for block in blocks:
                checksum.update(block)
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        self._sums[name] = checksum.hexdigest()


@contextmanager
def new_archive(directory: Path) -> Iterator[tuple[Path, Writer]]:
    """Write an archive: it gets its name once all of it is on the disk and was read again, else never.

    :raises ArchiveError: the name is taken, the disk is full.
    """
    directory = directory.absolute()
    if directory.exists() or directory.is_symlink():
        raise ArchiveError(f"{directory} is there already, and is not overwritten. Fix: give another name.")
    try:
        partial = Path(tempfile.mkdtemp(prefix=f"{directory.name}.", suffix=".partial", dir=directory.parent))
        try:
            yield partial, Writer(partial)
            _sync(partial)
            partial.rename(directory)
            _sync(directory.parent)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    except OSError as error:
        raise ArchiveError(f"cannot write {directory}: {error}. Fix: free the disk, or give another place.") from error


def partial_archives(directory: Path) -> list[Path]:
    """What tries that were killed have left beside it."""
    directory = directory.absolute()
    return sorted(path for path in directory.parent.glob("*.partial") if path.name.startswith(f"{directory.name}."))


def progress_bar(what: str, rows: int) -> Any:
    return tqdm(total=rows, desc=what, unit=" rows", unit_scale=True, disable=None)


def verify(directory: Path) -> Manifest:
    """Read all of it again: every checksum, every row.

    :raises ArchiveError: it is incomplete; names the file.
    """
    try:
        manifest, sums = Manifest.read(directory), _read_sums(directory)
        expected = {csv_name(table) for table in TABLES} | {MANIFEST}
        if not expected <= sums.keys() or manifest.rows.keys() != TABLES.keys():
            raise _damaged(directory, f"{SUMS} or {MANIFEST} lacks something", ", ".join(sorted(expected)))
        with progress_bar("read again", sum(manifest.rows.values())) as bar:
            for name, digest in sums.items():
                if (found := _digest(directory / name)) != digest:
                    raise _damaged(directory / name, f"its sha256 is {found}", digest)
            for table, rows in manifest.rows.items():
                path = directory / csv_name(table)
                if (count := _count_rows(path, bar)) != rows:
                    raise _damaged(path, f"it has {count} rows", str(rows))
    except (OSError, EOFError, zlib.error, csv.Error, ValueError, TypeError) as error:
        raise ArchiveError(f"{directory} is no complete archive: {error}. Fix: archive again.") from error
    return manifest


def _damaged(path: Path, found: str, expected: str) -> ArchiveError:
    return ArchiveError(f"{path} is not as it was written: {found}, expected {expected}. Fix: archive again.")


def _read_sums(directory: Path) -> dict[str, str]:
    lines = (directory / SUMS).read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _count_rows(path: Path, bar: Any) -> int:
    csv.field_size_limit(sys.maxsize)
    rows = 0
    with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
        reader = csv.reader(text, strict=True)
        width = len(next(reader))
        for row in reader:
            if len(row) != width:
                raise _damaged(path, f"a row has {len(row)} fields: {row!r:.200}", str(width))
            rows += 1
            bar.update()
    return rows


def _sync(directory: Path) -> None:
    """A directory's entries outlive a power cut only if it is told to."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
