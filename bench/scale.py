"""What a run asks of the database at a tenth, a third and all of N objects: is the time a straight line?

The real steps, over a store of numbered keys that answers at once; PostgreSQL's settings as shipped. Only what a store
would do by copying and deleting is marked in SQL, as fast as that goes. `measure` is the part of the bench; what
follows it is the child that does the work. Job: `dsn` of the administrator, `declaration`, `objects`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import psycopg

from bench.bench import Bench
from bench.child import Job, own_peak, say, serve
from bench.numbered_store import NumberedStore
from bench.recorder import Recorder, wal_bytes
from bench.switching import RUN, fill, measure_database, run_again, switch
from s3_migration.model.chunking import chunk_length
from s3_migration.model.declaration import Declaration

# Objects in the ledger, whatever the number that is really moved: ten times the rows of the switch, at most.
MAX_OBJECTS = 10_000_000
# What the store has done to the objects of one chunk.
COPIED = "copied_etag = l.legacy_etag, production_etag = l.legacy_etag, production_modified = now()"
DELETED = "legacy_gone_at = now()"
MARK = """
UPDATE s3_migration.ledger AS l SET {what}
FROM s3_migration.chunk AS c
WHERE c.chunk = %(chunk)s AND l.migration_id = 1 AND l.legacy_key BETWEEN c.first_key AND c.last_key
"""
# Of the statements of each step those that go over all objects or all rows: what its seconds are.
STATEMENTS = {
    "list": ("find_unlisted_rows",),
    "forecast": ("forecast", "count_referenced"),
    "verify": ("compare", "count_missing", "mark_still_referenced", "end_verification", "count_states"),
    "close": ("count_states", "count_rows_left", "grace_left"),
}
# Of what every run has besides its mapped tasks.
SINGLE_TASKS = 7


def measure(bench: Bench) -> dict[int, dict[str, float]]:
    """Answers all figures, by number of objects; the samples are those of the greatest number."""
    answer = measure_database(bench, "scale", objects=min(MAX_OBJECTS, 10 * bench.options.rows))
    figures = {int(objects): each for objects, each in answer["figures"].items()}
    bench.say(f"as docs/scale.md has it:\n{table(figures)}")
    return figures


class Scale:
    """The figures by number of objects."""

    def __init__(self, connection: psycopg.Connection[Any], declaration: Declaration) -> None:
        self.connection, self.declaration = connection, declaration
        self.figures: dict[int, dict[str, float]] = {}

    def measure(self, objects: int) -> None:
        from s3_migration.steps import hooks, reconciliation, run, verification

        self.objects, store = objects, NumberedStore(objects)
        figures = self.figures[objects] = {}
        say(f"{objects:,} objects: a fresh product")
        # Its statistics stay, as those of an earlier night do: what they say of it is wrong.
        self.connection.execute("TRUNCATE s3_migration.ledger, s3_migration.chunk")
        fill(self.connection, objects)
        with patch.object(hooks, "make_hooks", lambda *_, **__: (store, store)):
            listed = self._list("")
            figures["scratch_bytes"] = listed.staging_bytes / objects
            figures["chunks"] = self._value("SELECT count(*) FROM s3_migration.chunk")
            self._mark("copy", COPIED)
            store.copied = True
            self._switch()
            with self._step() as verified:
                verification.verify_copies(self.declaration, RUN)
            self._record("verify", _seconds(verified, "verify"))
            self._mark("delete", DELETED)
            store.deleted = True
            with self._step() as closed:
                with run.working(self.declaration, RUN, "grace") as grace:
                    grace.ledger.value("grace_left")
                reconciliation.reconcile(self.declaration, RUN, last=True)
            self._record("close", _seconds(closed, "close"))
            size = self._value("SELECT pg_total_relation_size('s3_migration.ledger')")
            figures["ledger_bytes"] = size / objects
            # As after a run that was killed before its copies were marked: all is listed once more, and adopted.
            self.connection.execute("TRUNCATE s3_migration.ledger")
            store.copied = store.deleted = False
            self._list("of nothing/")
            store.copied = True
            self._list("again/")
        figures["rss"] = own_peak()
        say(f"{objects:,} objects: {size / objects:.0f} bytes an object in the ledger, {own_peak() / 2**20:.0f} MiB")

    def _list(self, when: str) -> Recorder:
        from s3_migration.steps import listing

        with self._step() as listed:
            listing.take_listing(self.declaration, RUN)
        for part in ("list", "forecast"):
            self._record(when + part, _seconds(listed, part))
        self._record(f"{when}merge", *max(listed.transactions))
        return listed

    @contextmanager
    def _step(self) -> Iterator[Recorder]:
        run_again(self.connection, "move")
        recorder = Recorder(self.connection)
        with recorder.recording():
            yield recorder

    def _mark(self, step: str, what: str) -> None:
        """As so many batches would; autovacuum, which has hours for this, comes after every fifth."""
        wal, begun = wal_bytes(self.connection), time.monotonic()
        chunks = int(self.figures[self.objects]["chunks"])
        for chunk in range(1, chunks + 1):
            self.connection.execute(MARK.format(what=what).encode(), {"chunk": chunk})
            if chunk % max(1, chunks // 5) == 0:
                self.connection.execute("VACUUM (ANALYZE) s3_migration.ledger")
        self._record(step, time.monotonic() - begun, wal_bytes(self.connection) - wal)

    def _switch(self) -> None:
        run_again(self.connection, "move")
        wal = wal_bytes(self.connection)
        seconds, transactions = switch(self.declaration, self.objects)
        self._record("switch", seconds, wal_bytes(self.connection) - wal)
        self.figures[self.objects]["switch/longest"] = max(transactions)

    def _record(self, name: str, seconds: float, wal: float | None = None) -> None:
        figures = self.figures[self.objects]
        figures[f"{name}/seconds"] = seconds
        if wal is not None:
            figures[f"{name}/wal_bytes"] = wal / self.objects
        say(f"{self.objects:,} objects: {name}: {seconds:.2f} s")

    def _value(self, query: str) -> float:
        return float(self.connection.execute(query.encode()).fetchall()[0][0])


def _seconds(recorder: Recorder, step: str) -> float:
    """:raises LookupError: a statement of the step was not run."""
    if missing := set(STATEMENTS[step]) - set(recorder.statements):
        raise LookupError(f"{step} no longer runs {sorted(missing)}: see STATEMENTS")
    return sum(recorder.statements[file] for file in STATEMENTS[step])


def planned(objects: int, chunk_size: int = Declaration.model_fields["chunk_size"].default) -> dict[str, float]:
    """What a run of so many objects comes to in Airflow: nothing has to be measured for that."""
    chunks = -(-objects // chunk_length(objects, chunk_size))
    return {"xcom_bytes": len(json.dumps(list(range(1, chunks + 1)))), "task_instances": 2 * chunks + SINGLE_TASKS}


# Of the table in docs/scale.md: what it says, the figure, its unit.
SHOWN = (
    ("listing: what only rows name (1 pass)", "list/seconds", "s"),
    ("forecast (1 pass)", "forecast/seconds", "s"),
    ("merge of a first listing, chunks drawn", "merge/seconds", "s"),
    ("merge where all is listed again and adopted", "again/merge/seconds", "s"),
    ("switch of all rows", "switch/seconds", "s"),
    ("longest transaction of the switch", "switch/longest", "s"),
    ("verification: comparing, rows asked (1 pass)", "verify/seconds", "s"),
    ("account (1 pass)", "close/seconds", "s"),
    ("chunks", "chunks", ""),
    ("peak memory of the client", "rss", "MiB"),
    ("ledger with its index at the end, an object", "ledger_bytes", "B"),
    ("staging table with its index, an object and side", "scratch_bytes", "B"),
    ("write-ahead log, an object: listing", "merge/wal_bytes", "B"),
    ("the same: marking it copied", "copy/wal_bytes", "B"),
    ("the same: switching its row", "switch/wal_bytes", "B"),
    ("the same: marking it deleted", "delete/wal_bytes", "B"),
)


def table(figures: dict[int, dict[str, float]]) -> str:
    """As docs/scale.md has it."""
    lines = ["| objects and rows | " + " | ".join(f"{objects:,}" for objects in figures) + " |"]
    lines.append("| --- " * (len(figures) + 1) + "|")
    for what, name, unit in SHOWN:
        values = (each[name] / (2**20 if unit == "MiB" else 1) for each in figures.values())
        lines.append(f"| {what} | " + " | ".join(_shown(value, unit) for value in values) + " |")
    return "\n".join(lines)


def _shown(value: float, unit: str) -> str:
    return f"{value:.2f} s" if unit == "s" and value < 10 else f"{value:,.0f} {unit}".strip()


def _measure(job: Job) -> Job:
    objects = job["objects"]
    with psycopg.connect(job["dsn"], autocommit=True) as connection:
        scale = Scale(connection, Declaration.model_validate(job["declaration"]))
        for each in (objects // 10, objects * 3 // 10, objects):
            scale.measure(each)
    largest = scale.figures[objects]
    found = {**{name: largest[name] for name in ("rss", "ledger_bytes")}, **planned(100_000_000)}
    return {"figures": scale.figures, "samples": {f"scale/{name}": [value] for name, value in found.items()}}


if __name__ == "__main__":
    serve(lambda job: partial(_measure, job))
