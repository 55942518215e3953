"""What a run asks of the database at a tenth, a third and all of N objects: is the time a straight line?

    python -m bench.scale [--objects N]

The objects are made in SQL, as a listing would have left them in the staging tables; S3 has no part in it. Progress
goes to stderr, one JSON object of results to stdout. PostgreSQL's settings are as they ship.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from bench.switching import DECLARATION, RUN, Switch, arguments, database, fill, results, run_again, say
from devstack.errors import LocalError
from s3_migration.ledger import listing, staging
from s3_migration.ledger.connection import Ledger, RunLedger
from s3_migration.ledger.run import find_run
from s3_migration.ledger.statements import statement
from s3_migration.model.chunking import chunk_length

# Of listed objects: keys, ETags and times as S3 gives them, in the order of a listing.
SEEN = """
INSERT INTO pg_temp.listed_{side} (key, size, etag, modified)
SELECT key, 50000, md5(key), '2026-01-01'
FROM (SELECT 'image/avatar-' || n || '.png' AS key FROM generate_series(1, %(objects)s) AS n) AS k
ORDER BY key COLLATE "C"
"""
COPIED = """
UPDATE s3_migration.ledger AS l
SET copied_etag = l.legacy_etag, production_etag = l.legacy_etag, production_modified = now()
FROM s3_migration.chunk AS c
WHERE c.chunk = %(chunk)s AND l.migration_id = 1 AND l.legacy_key BETWEEN c.first_key AND c.last_key
"""
GONE = """
UPDATE s3_migration.ledger AS l SET legacy_gone_at = now()
FROM s3_migration.chunk AS c
WHERE c.chunk = %(chunk)s AND l.migration_id = 1 AND l.legacy_key BETWEEN c.first_key AND c.last_key
"""
# By step, the statements that go over all objects or all rows, in their order.
LIST = ("find_unlisted_rows",)
FORECAST = ("forecast", "count_referenced")
MERGE = (
    *("adopt", "judge_listed", "judge_gone", "judge_unlisted_rows", "insert_listed", "count_missing", "clear_chunks"),
)
VERIFY = ("compare", "count_missing", "mark_still_referenced", "end_verification", "count_states")
CLOSE = ("count_states", "count_rows_left", "grace_left")
VALUES: dict[str, Any] = {
    "takes_all": True,
    "keys": None,
    "proving": True,
    "first_key": "",
    "last_key": "~",
    "since": "2026-01-01",
}
# Of what every run has besides its mapped tasks.
SINGLE_TASKS = 7


class Scale:
    """The figures by number of objects."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.figures: dict[int, dict[str, float]] = {}

    def measure(self, objects: int) -> None:
        figures = self.figures[objects] = {}

        def record(name: str, value: float) -> None:
            figures[name] = value

        @contextmanager
        def timed(name: str) -> Iterator[None]:
            wal, begun = self._wal(), time.monotonic()
            yield
            seconds = time.monotonic() - begun
            record(f"{name}/seconds", seconds)
            record(f"{name}/wal_bytes", (self._wal() - wal) / objects)
            say(f"{objects:,} objects: {name}: {seconds:.2f} s")

        say(f"{objects:,} objects: a fresh product")
        # Its statistics stay, as those of an earlier night do: what they say of it is wrong.
        self.connection.execute("TRUNCATE s3_migration.ledger, s3_migration.chunk")
        fill(self.connection, objects, indexed=False)
        run_again(self.connection)
        ledger = self._ledger()
        with timed("staging"):  # what a listing COPYs, made in SQL
            self._fill_scratch(ledger, "legacy", objects)
        record("scratch_bytes", self._scratch_bytes(ledger) / objects)
        self._list(ledger, timed, "")
        record("chunks", self._chunks())
        with timed("copy"):
            self._mark(COPIED)
        self._switch(objects, record)
        self._fill_scratch(ledger, "production", objects)
        with timed("verify"):
            self._run(ledger, VERIFY, timed, "verify")
        with timed("delete"):
            self._mark(GONE)
        with timed("close"):
            self._run(ledger, CLOSE, timed, "close")
        (size,) = self._row("SELECT pg_total_relation_size('s3_migration.ledger')")
        record("ledger_bytes", size / objects)
        # As after a run that was killed before its copies were marked: all is listed once more, and adopted.
        self.connection.execute("TRUNCATE s3_migration.ledger")
        listing.insert_listed(ledger)
        self._list(ledger, timed, "again/")
        record("rss", peak())
        ledger.connection.close()
        say(f"{objects:,} objects: {size / objects:.0f} bytes an object in the ledger, peak {peak() / 2**20:.0f} MiB")

    def _list(self, ledger: RunLedger, timed: Any, when: str) -> None:
        """As list_legacy does, once both sides are in the staging tables."""
        with timed(f"{when}list"):
            self._run(ledger, LIST, timed, f"{when}list")
        with timed(f"{when}forecast"):
            self._run(ledger, FORECAST, timed, f"{when}forecast")
        with timed(f"{when}merge"), ledger.batch():
            self._run(ledger, MERGE, timed, f"{when}merge")
            length = chunk_length(listing.count_scope(ledger), DECLARATION.chunk_size)
            with timed(f"{when}merge/create_chunks"):
                listing.create_chunks(ledger, length)

    def _mark(self, statement: str) -> None:
        """As so many batches would; autovacuum, which has hours for this, comes after every fifth."""
        chunks = self._chunks()
        for chunk in range(1, chunks + 1):
            self.connection.execute(statement.encode(), {"chunk": chunk})
            if chunk % max(1, chunks // 5) == 0:
                self.connection.execute("VACUUM (ANALYZE) s3_migration.ledger")

    def _run(self, ledger: RunLedger, files: tuple[str, ...], timed: Any, step: str) -> None:
        for file in files:
            with timed(f"{step}/{file}"):
                ledger.connection.execute(statement(file, **ledger.parts), {**ledger.values, **VALUES})

    def _fill_scratch(self, ledger: RunLedger, side: str, objects: int) -> None:
        ledger.connection.execute(SEEN.format(side=side).encode(), {"objects": objects})
        staging.finish(ledger, side)

    def _switch(self, objects: int, record: Any) -> None:
        run_again(self.connection)
        wal = self._wal()
        made = Switch.measure()
        if made.rows != objects:
            raise SystemExit(f"{made.rows} rows were switched, expected {objects}")
        record("switch/seconds", made.seconds)
        record("switch/wal_bytes", (self._wal() - wal) / objects)
        record("switch/longest", max(made.batches))
        say(f"{objects:,} objects: switch: {made.seconds:.2f} s, longest transaction {max(made.batches):.2f} s")

    def _ledger(self) -> RunLedger:
        migration = Ledger.connect(DECLARATION).of_migration(1)
        record = find_run(migration, RUN)
        if record is None:
            raise SystemExit(f"run {RUN} is not there")
        ledger = migration.of_run(record.run_no)
        staging.create(ledger)
        return ledger

    def _row(self, text: str) -> Any:
        return self.connection.execute(text.encode()).fetchone()

    def _wal(self) -> float:
        return float(self._row("SELECT pg_current_wal_insert_lsn() - '0/0'")[0])

    def _chunks(self) -> int:
        return int(self._row("SELECT count(*) FROM s3_migration.chunk")[0])

    def _scratch_bytes(self, ledger: RunLedger) -> int:
        row = ledger.connection.execute("SELECT pg_total_relation_size('pg_temp.listed_legacy') AS size").fetchone()
        return int(row["size"]) if row else 0


def peak() -> int:
    """Bytes of memory that this process held at most; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def planned(objects: int) -> dict[str, float]:
    """What a run of so many objects comes to in Airflow: nothing has to be measured for that."""
    chunks = -(-objects // chunk_length(objects, DECLARATION.chunk_size))
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


def main() -> None:
    parser = arguments(__doc__, "scale")
    parser.add_argument("--objects", type=int, default=10_000_000)
    options, out = parser.parse_args(), results()
    try:
        with database(options.directory) as connection:
            scale = Scale(connection)
            for objects in (options.objects // 10, options.objects * 3 // 10, options.objects):
                scale.measure(objects)
    except LocalError as error:
        sys.exit(str(error))
    say(f"as docs/scale.md has it:\n{table(scale.figures)}")
    largest = scale.figures[options.objects]
    most = planned(100_000_000)
    samples = {
        "scale/rss": [largest["rss"]],
        "scale/ledger_bytes": [largest["ledger_bytes"]],
        **{f"scale/{name}": [value] for name, value in most.items()},
    }
    json.dump({"objects": options.objects, "figures": scale.figures, "samples": samples}, out)
    print(file=out, flush=True)


if __name__ == "__main__":
    main()
