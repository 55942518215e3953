"""What the real steps ask of the database: seconds of their statements and of their transactions."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import psycopg


class Recorder:
    """Of all steps that this process runs within `recording`.

    :param connection: an administrator's: asked how much write-ahead log each transaction writes, if given.
    """

    def __init__(self, connection: psycopg.Connection[Any] | None = None) -> None:
        self._connection = connection
        self.statements: defaultdict[str, float] = defaultdict(float)  # seconds, by the name of the statement
        self.transactions: list[tuple[float, float]] = []  # seconds, bytes of write-ahead log
        self.staging_bytes = 0.0  # of legacy's staging table, once it is full

    @contextmanager
    def recording(self) -> Iterator[None]:
        from s3_migration.ledger.connection import Ledger

        execute, batch = Ledger.execute, Ledger.batch

        def timed(ledger: Ledger, file: str, /, **values: Any) -> Any:
            if file == "forecast":  # the first one after both sides are listed
                asked = ledger.connection.execute("SELECT pg_total_relation_size('pg_temp.listed_legacy') AS size")
                self.staging_bytes = float(asked.fetchall()[0]["size"])
            begun = time.monotonic()
            answer = execute(ledger, file, **values)
            self.statements[file] += time.monotonic() - begun
            return answer

        @contextmanager
        def timed_batch(ledger: Ledger) -> Iterator[None]:
            wal, begun = self._written(), time.monotonic()
            with batch(ledger):
                yield
            self.transactions.append((time.monotonic() - begun, self._written() - wal))

        with patch.object(Ledger, "execute", timed), patch.object(Ledger, "batch", timed_batch):
            yield

    def _written(self) -> float:
        return wal_bytes(self._connection) if self._connection else 0


def wal_bytes(connection: psycopg.Connection[Any]) -> float:
    """Bytes of write-ahead log that the server ever wrote."""
    return float(connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchall()[0][0])
