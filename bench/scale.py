"""What a run asks of the database at a tenth, a third and all of N objects: is the time a straight line?

The real steps, over a store of numbered keys that answers at once; PostgreSQL's settings as shipped. Only what a store
would do by copying and deleting is marked in SQL, as fast as that goes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from bench.bench import Bench
from bench.processes import Child, Job
from bench.servers import fill_rows, number
from bench.switching import database, expect_rows, run_again
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
    "verify": ("compare", "count_missing", "mark_still_referenced", "end_verification", "count_states_in_legacy"),
    "close": ("find_gone", "count_rows_left", "grace_left"),
}
LEDGER_BYTES = "SELECT pg_total_relation_size('s3_migration.ledger')"
WAL_BYTES = "SELECT pg_current_wal_insert_lsn() - '0/0'"  # that the server ever wrote
# Of what every run has besides its mapped tasks.
SINGLE_TASKS = 7


def measure(bench: Bench) -> dict[int, dict[str, float]]:
    """Answers all figures, by number of objects; the samples are those of the greatest number."""
    objects, figures = min(MAX_OBJECTS, 10 * bench.options.rows), dict[int, dict[str, float]]()
    with database(bench) as (connection, ours):
        for each in (objects // 10, objects * 3 // 10, objects):
            scale = Scale(bench, connection, ours, each)
            scale.measure()
            figures[each] = scale.figures
    bench.say(f"as docs/scale.md has it:\n{table(figures)}")
    found = {name: figures[objects][name] for name in ("rss", "ledger_bytes")}
    bench.record("scale", **found, **planned(100_000_000))
    return figures


@dataclass
class Scale:
    """A run of so many objects, and its figures."""

    bench: Bench
    connection: psycopg.Connection[Any]
    ours: Child
    objects: int
    figures: dict[str, float] = field(default_factory=dict)

    def measure(self) -> None:
        # Its statistics stay, as those of an earlier night do: what they say of it is wrong.
        self.connection.execute("TRUNCATE s3_migration.ledger, s3_migration.chunk")
        fill_rows(self.connection, self.objects)
        self._list()
        self.figures["chunks"] = number(self.connection, "SELECT count(*) FROM s3_migration.chunk")
        self._mark("copy", COPIED)
        switched = self._step("switch", "switch_rows", copied=True)
        expect_rows(switched["switch_rows"]["rows"], self.objects)
        self.figures["switch/seconds"] = switched["switch_rows"]["seconds"]
        self.figures["switch/longest"] = max(switched["transactions"])
        self._keep("verify", self._step("verify", "verify", copied=True))
        self._mark("delete", DELETED)
        self._keep("close", self._step("close", "grace", "reconcile", copied=True, deleted=True))
        self.figures["ledger_bytes"] = number(self.connection, LEDGER_BYTES) / self.objects
        # As after a run that was killed before its copies were marked: all is listed once more, and adopted.
        self.connection.execute("TRUNCATE s3_migration.ledger")
        self._list("of nothing/")
        self._list("again/", copied=True)

    def _list(self, when: str = "", copied: bool = False) -> None:
        listed = self._step(f"{when}list", "list", copied=copied)
        self._keep(f"{when}list", listed)
        self._keep(f"{when}forecast", listed)
        self.figures[f"{when}merge/seconds"] = max(listed["transactions"])
        self.figures[f"{when}scratch_bytes"] = listed["staging_bytes"] / self.objects

    def _step(self, name: str, *steps: str, **store: bool) -> Job:
        with self._written(name):
            used = self.ours.ask(steps=steps, store={"objects": self.objects, **store})
        self.figures["rss"] = used.rss
        return used.answer

    def _mark(self, name: str, what: str) -> None:
        """As so many batches would; autovacuum, which has hours for this, comes after every fifth."""
        chunks = int(self.figures["chunks"])
        with self._written(name):
            for chunk in range(1, chunks + 1):
                self.connection.execute(MARK.format(what=what).encode(), {"chunk": chunk})
                if chunk % max(1, chunks // 5) == 0:
                    self.connection.execute("VACUUM (ANALYZE) s3_migration.ledger")

    @contextmanager
    def _written(self, name: str) -> Iterator[None]:
        """Keeps how much write-ahead log was written meanwhile."""
        run_again(self.connection)
        wal, begun = number(self.connection, WAL_BYTES), time.monotonic()
        yield
        self.figures[f"{name}/wal_bytes"] = (number(self.connection, WAL_BYTES) - wal) / self.objects
        self.bench.say(f"{self.objects:,} objects: {name}: {time.monotonic() - begun:.2f} s")

    def _keep(self, name: str, answer: Job) -> None:
        """:raises LookupError: a statement of the step was not run: see STATEMENTS."""
        files = STATEMENTS[name.rpartition("/")[2]]
        self.figures[f"{name}/seconds"] = sum(answer["statements"][file] for file in files)


def planned(objects: int, chunk_size: int = Declaration.model_fields["chunk_size"].default) -> dict[str, float]:
    """What a run of so many objects comes to in Airflow: nothing has to be measured for that."""
    chunks = -(-objects // chunk_length(objects, chunk_size))
    return {"xcom_bytes": len(json.dumps(list(range(1, chunks + 1)))), "task_instances": 3 * chunks + SINGLE_TASKS}


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
    ("write-ahead log, an object: listing", "list/wal_bytes", "B"),
    ("the same: marking it copied", "copy/wal_bytes", "B"),
    ("the same: switching its row", "switch/wal_bytes", "B"),
    ("the same: marking it deleted", "delete/wal_bytes", "B"),
)


def table(figures: dict[int, dict[str, float]]) -> str:
    """As docs/scale.md has it."""
    head = ["objects and rows", *(f"{objects:,}" for objects in figures)]
    lines = [head, ["---"] * len(head)]
    lines += [[what, *(_shown(each[name], unit) for each in figures.values())] for what, name, unit in SHOWN]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(value: float, unit: str) -> str:
    value /= 2**20 if unit == "MiB" else 1
    return f"{value:.2f} s" if unit == "s" and value < 10 else f"{value:,.0f} {unit}".strip()
