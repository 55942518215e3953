"""What a step does to the server and the disk meanwhile, looked at from outside, some times a second."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from devstack.product import ROLE

# Seconds between two looks: what shorter transactions can be missed by.
EVERY = 0.1
TRANSACTIONS = """
SELECT pid, extract(epoch FROM clock_timestamp() - xact_start)::float, left(query, 200)
FROM pg_stat_activity WHERE datname = current_database() AND usename = %s AND xact_start IS NOT NULL
"""
DATABASE = "SELECT oid::text FROM pg_database WHERE datname = current_database()"
# As PostgreSQL names the files of temporary tables.
_TEMPORARY = re.compile(r"t\d+_\d+").match


@dataclass
class Watch:
    """The most that was seen of each.

    :param data: PostgreSQL's directory.
    :param scratch: where the watched process has its temporary files.
    """

    connection: psycopg.Connection[Any]
    data: Path
    scratch: Path
    longest: float = 0.0  # seconds of a transaction
    query: str = ""  # its last one
    beside: int = 0  # bytes of temporary tables and files
    backend: int = 0  # bytes of memory that a server process had for itself

    def __post_init__(self) -> None:
        self._tables = self.data / "base" / self.connection.execute(DATABASE).fetchall()[0][0]

    def look(self) -> None:
        for pid, seconds, query in self.connection.execute(TRANSACTIONS, [ROLE]):
            if seconds > self.longest:
                self.longest, self.query = seconds, " ".join(query.split())
            self.backend = max(self.backend, _own_memory(pid))
        files = [*_files(self.data / "base" / "pgsql_tmp"), *_files(self.scratch), *self._temporary_tables()]
        self.beside = max(self.beside, sum(map(_size, files)))

    def _temporary_tables(self) -> Iterator[Path]:
        with os.scandir(self._tables) as entries:
            yield from (Path(entry.path) for entry in entries if _TEMPORARY(entry.name))


def _files(directory: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(directory):
        yield from (Path(folder) / name for name in names)


def _size(path: Path) -> int:
    with suppress(OSError):  # it is gone by now
        return path.stat().st_size
    return 0


def _own_memory(pid: int) -> int:
    """Bytes that the process does not share; 0 where the system does not tell."""
    with suppress(OSError, IndexError):
        return int(re.findall(r"RssAnon:\s*(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) * 1024
    return 0
