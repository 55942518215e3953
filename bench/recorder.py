"""What the real steps ask of the database: seconds of their statements and of their transactions."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from s3_migration.ledger.connection import Ledger


@dataclass
class Recorder:
    statements: defaultdict[str, float] = field(
        default_factory=lambda: defaultdict(float)
    )  # seconds, by the name of the statement
    transactions: list[float] = field(default_factory=list)  # seconds
    staging_bytes: float = 0  # of legacy's staging table, once it is full


@contextmanager
def recording() -> Iterator[Recorder]:
    """Of all steps that this process runs within."""
    recorder, execute, batch = Recorder(), Ledger.execute, Ledger.batch

    def timed(ledger: Ledger, file: str, /, **values: Any) -> Any:
        if file == "forecast":  # the first one after both sides are listed
            asked = ledger.connection.execute("SELECT pg_total_relation_size('pg_temp.listed_legacy') AS size")
            recorder.staging_bytes = float(asked.fetchall()[0]["size"])
        begun = time.monotonic()
        answer = execute(ledger, file, **values)
        recorder.statements[file] += time.monotonic() - begun
        return answer

    @contextmanager
    def timed_batch(ledger: Ledger) -> Iterator[None]:
        begun = time.monotonic()
        with batch(ledger):
            yield
        recorder.transactions.append(time.monotonic() - begun)

    with patch.object(Ledger, "execute", timed), patch.object(Ledger, "batch", timed_batch):
        yield recorder
