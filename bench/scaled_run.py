"""One run of so many objects over the store of arithmetic: each step in a process of its own, watched or killed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import urlopen

import psycopg

from bench.arithmetic_answers import PROOF_AGE
from bench.arithmetic_store import COUNTERS
from bench.bench import Bench
from bench.moving import LEDGER_BYTES, ROWS_WRITTEN
from bench.processes import Child, Usage
from bench.servers import Product, number
from bench.watching import EVERY, Watch
from devstack.errors import LocalError

STEPS = ("check", "list", "copy", "switch", "verify", "gate", "delete", "reconcile")
WAL_BYTES = "SELECT pg_current_wal_insert_lsn() - '0/0'"  # that the server ever wrote
ROWS_LEFT = "SELECT count(*) FROM avatars WHERE path LIKE 'image/%'"
ENDED = "SELECT chunk FROM s3_migration.timing WHERE step = %s AND ended_at IS NOT NULL"
# What a step has done by now: of the store's counters those that begin so; of the switch rows, in the database. Where a
# step looks at both sides one of them tells.
WORK = {
    "list": ("listed legacy",),
    "copy": ("CopyObject",),
    "verify": ("listed production",),
    "delete": ("deleted",),
    "reconcile": ("listed",),
}
KILLED_AT = 0.9
# Lanes that each may repeat a slice: of a listing.
LANES = {"list": 16}
# Nothing is killed that has so little to do.
LEAST_WORK = 10_000


@dataclass
class ScaledRun:
    """A run, and its figures."""

    bench: Bench
    objects: int
    product: Product
    connection: psycopg.Connection[Any]
    endpoint: str
    run_id: str = "scale"
    figures: dict[str, float] = field(default_factory=dict)
    work: dict[str, float] = field(default_factory=dict)  # of each step
    chunks: list[int] = field(default_factory=list)

    def measure(self) -> None:
        """Each step undisturbed."""
        for step in STEPS:
            self.watched(step, step)
        self.settle()

    def settle(self) -> dict[str, float]:
        """The figures, with those of the whole run."""
        counted = self.counters()
        copies = sum(value for name, value in counted.items() if name.startswith("CopyObject "))
        requests = requests_of(counted)
        self.figures |= {
            "chunks": len(self.chunks),
            "ledger_bytes": number(self.connection, LEDGER_BYTES) / self.objects,
            "requests": requests / self.objects,
            "requests_but_copies": (requests - copies) / self.objects,
            "proof_age": counted.get(PROOF_AGE, 0) / 1_000,
        }
        return self.figures

    def kill(self, work: Mapping[str, float]) -> None:
        """Each step is killed at nine tenths of its work, and started again: what it does twice.

        :param work: of each step, undisturbed.
        """
        for step in STEPS:
            begun = self._done(step)
            killed = False
            with self._child() as child:
                child.go(steps=[step], chunks=self.chunks, apart=True)
                until = time.monotonic() + self.bench.patience
                while not child.ready(0.02) and time.monotonic() < until:
                    if work.get(step, 0) >= LEAST_WORK and self._done(step) - begun >= KILLED_AT * work[step]:
                        child.kill()
                        killed = True
                        break
                if not killed:
                    self._took(child.took(), step)
            if killed:
                with self._child() as child:
                    self._took(child.ask(steps=[step], chunks=self._unfinished(step), apart=True), step)
                self.figures[f"{step}/repeated"] = max(0.0, self._settled(step) - begun - work[step])
                self.bench.say(
                    f"{self.objects:,} objects: {step}: killed, {self.figures[f'{step}/repeated']:,.0f} again"
                )

    # -- one step -----------------------------------------------------------------------------------------------

    def watched(self, name: str, *steps: str) -> None:
        """Do the steps in one process, undisturbed.

        :param name: of the figures.
        """
        wal, begun = number(self.connection, WAL_BYTES), {step: self._settled(step) for step in steps}
        at_work = self.counters()["cpu"]
        with TemporaryDirectory(prefix="s3-migration-bench-") as scratch:
            watch = Watch(self.connection, self.bench.servers.postgres.data, Path(scratch))
            with self._child(TMPDIR=scratch) as child:
                child.go(steps=steps, chunks=self.chunks, apart=True)
                until = time.monotonic() + self.bench.patience
                while not child.ready(EVERY) and time.monotonic() < until:
                    watch.look()
                used = child.took()
        self._took(used, *steps)
        self.work |= {step: self._settled(step) - done for step, done in begun.items()}
        seconds = sum(used.answer["seconds"].values())
        figures = {
            "seconds": seconds,
            "rate": self.objects / seconds,
            "store": 100 * (self.counters()["cpu"] - at_work) / seconds,
            "longest": max([watch.longest, *used.answer["transactions"]]),
            "beside_bytes": watch.beside,
            "backend_bytes": watch.backend,
            "rss": used.rss,
            "wal_bytes": (number(self.connection, WAL_BYTES) - wal) / self.objects,
        }
        self.figures |= {f"{name}/{what}": value for what, value in figures.items()}
        self.bench.say(
            f"{self.objects:,} objects: {name}: {seconds:.2f} s, longest transaction "
            f"{figures['longest']:.2f} s{f' ({watch.query[:90]})' if watch.longest > 1 else ''}, "
            f"{watch.beside / 2**20:.0f} MiB beside, {used.rss / 2**20:.0f} MiB"
        )

    def _unfinished(self, step: str) -> list[int]:
        """The chunks whose task did not end: Airflow runs no green one again."""
        ended = {chunk for (chunk,) in self.connection.execute(ENDED, [step])}
        return [chunk for chunk in self.chunks if chunk not in ended]

    def _took(self, used: Usage, *steps: str) -> None:
        """:raises LocalError: the step did not do what there was to do."""
        if "list" in steps:
            self.chunks = used.answer["list"]
        if "reconcile" in steps:
            left = number(self.connection, ROWS_LEFT)
            if left or not is_empty(self.endpoint):
                raise LocalError(
                    f"a move of {self.objects} objects left {left} rows that name legacy, or objects there"
                )

    def _child(self, **more: str) -> Child:
        return self.bench.ours(replace(self.product, environment={**self.product.environment, **more}), self.run_id)

    # -- what is done -------------------------------------------------------------------------------------------

    def counters(self) -> dict[str, float]:
        return ask_store(self.endpoint)

    def _done(self, step: str) -> float:
        if step == "switch":
            return number(self.connection, ROWS_WRITTEN)
        wanted = WORK.get(step)
        return sum(value for name, value in self.counters().items() if name.startswith(wanted)) if wanted else 0

    def _settled(self, step: str) -> float:
        """As `_done`, once the server has counted what ended just before."""
        if step == "switch":
            time.sleep(1.2)
        return self._done(step)


@contextmanager
def scaled_run(
    bench: Bench, objects: int, already: int = 0, rows: int | None = None, **job: int
) -> Iterator[ScaledRun]:
    """Of a product of its own, with a row for each object, and a store of its own.

    :param rows: another number of them.
    :param job: what else `arithmetic_objects.buckets` is to be told.
    """
    job |= {"keys": objects, "already": already}
    rows = objects if rows is None else rows
    with (
        bench.servers.served("arithmetic_store", bench.patience, **job) as endpoint,
        bench.servers.product("legacy-s3", "production-s3", rows, endpoint) as product,
        bench.servers.postgres.connect(product.database) as connection,
    ):
        yield ScaledRun(bench, objects, product, connection, endpoint)


def ask_store(endpoint: str) -> dict[str, float]:
    """What the store of arithmetic has counted."""
    counted: dict[str, float] = json.loads(_get(endpoint + COUNTERS))
    return counted


def requests_of(counted: Mapping[str, float]) -> float:
    """All of them, whatever the status."""
    return sum(value for name, value in counted.items() if name[-3:].isdigit())


def is_empty(endpoint: str) -> bool:
    """Whether legacy is."""
    return b"<KeyCount>0<" in _get(f"{endpoint}/legacy-s3?list-type=2&max-keys=1")


def _get(url: str) -> bytes:
    with urlopen(url, timeout=60) as answer:  # noqa: S310 - our own
        return bytes(answer.read())
