"""The switch of a million rows, by the real step, against one plain UPDATE of them all.

PostgreSQL's settings are as they ship. `measure` is the part of the bench; what follows it is the child that does the
work. Job: `dsn` of the administrator, `declaration`, `rows`, `runs`.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import psycopg
from psycopg import sql

from bench.bench import Bench
from bench.child import Job, say, serve
from bench.processes import Child, run_children
from bench.recorder import Recorder
from bench.servers import ROWS
from devstack.product import ROLE, TABLE
from s3_migration.model.declaration import Declaration

RUN = "bench"
INDEX = "CREATE INDEX avatars_path ON avatars (path)"
COPIED = """
INSERT INTO s3_migration.ledger (
    migration_id, legacy_key, legacy_size, legacy_etag, legacy_modified, run_no,
    copied_etag, production_etag, production_modified
)
SELECT 1, 'image/avatar-' || n || '.png', 50000, e, now(), r.run_no, e, e, now()
FROM generate_series(1, %(rows)s) AS n CROSS JOIN LATERAL md5(n::text) AS e CROSS JOIN s3_migration.run AS r
"""
PLAIN = "UPDATE avatars SET path = 'avatar/' || substr(path, 7) WHERE path LIKE 'image/%'"


def measure(bench: Bench) -> None:
    measure_database(bench, "switching", rows=bench.options.rows, runs=bench.options.runs)


def measure_database(bench: Bench, module: str, **job: Any) -> dict[str, Any]:
    """Let a child work in a database of its own; S3 has no part in it. Answers what it did, and keeps its samples."""
    servers = bench.servers
    with servers.product("legacy-s3", "production-s3", 0, servers.s3.endpoint_url) as product:
        job |= {"dsn": servers.postgres.dsn(product.database), "declaration": product.declared}
        child = Child(module, job, product.environment, None)
        answer = run_children([child], patience=3 * 3600).answer
    bench.samples.update(answer["samples"])
    return answer


def run_again(connection: psycopg.Connection[Any], mode: str = "switch") -> None:
    """A run whose listing is over and whose switch is not, under its own lease."""
    connection.execute(
        "INSERT INTO s3_migration.run (migration_id, run_id, mode, grace_period, listed_at) "
        "VALUES (1, %s, %s, '0s', now()) "
        "ON CONFLICT (migration_id, run_id) DO UPDATE SET switched_at = NULL",
        [RUN, mode],
    )
    connection.execute(
        "UPDATE s3_migration.migration SET lease_until = now() + interval '1 day', "
        "lease_run_no = (SELECT run_no FROM s3_migration.run WHERE run_id = %s)",
        [RUN],
    )


def switch(declaration: Declaration, rows: int) -> tuple[float, list[float]]:
    """One switch by the step itself: its seconds, and those of each transaction."""
    from s3_migration.steps.run import working
    from s3_migration.steps.switching import switch_rows

    recorder = Recorder()
    with recorder.recording(), working(declaration, RUN, "switch") as run:
        begun = time.monotonic()
        _expect(switch_rows(run), rows)
        return time.monotonic() - begun, [seconds for seconds, _ in recorder.transactions]


def _expect(found: int, rows: int) -> None:
    if found != rows:
        raise SystemExit(f"{found} rows were switched, expected {rows}")


def fill(connection: psycopg.Connection[Any], rows: int, indexed: bool = False) -> None:
    """A fresh table, as a product has it: vacuumed, analysed, on disk."""
    connection.execute("DROP TABLE avatars")
    connection.execute(TABLE)
    connection.execute(ROWS, [rows])
    if indexed:
        connection.execute(INDEX)
    connection.execute(sql.SQL("GRANT SELECT, UPDATE (path) ON avatars TO {}").format(sql.Identifier(ROLE)))
    connection.execute("VACUUM ANALYZE avatars")
    connection.execute("CHECKPOINT")


def _fill_ledger(connection: psycopg.Connection[Any], objects: int) -> None:
    connection.execute("TRUNCATE s3_migration.ledger")
    run_again(connection)
    connection.execute(COPIED, {"rows": objects})
    connection.execute("VACUUM ANALYZE s3_migration.ledger")


def _plain(connection: psycopg.Connection[Any], rows: int) -> float:
    begun = time.monotonic()
    _expect(connection.execute(PLAIN).rowcount, rows)
    return time.monotonic() - begun


def _compare(job: Job) -> Job:
    """Both ways in turn, on a fresh table each time; then ours with a quarter and a half of the rows."""
    declaration, rows, runs = Declaration.model_validate(job["declaration"]), job["rows"], job["runs"]
    samples: dict[str, list[float]] = {}

    def record(index: str, **values: float) -> None:
        for name, value in values.items():
            samples.setdefault(f"switching/{index}/{name}", []).append(value)

    def switched(rows: int, indexed: bool) -> tuple[float, list[float]]:
        fill(connection, rows, indexed)
        run_again(connection)
        return switch(declaration, rows)

    both = (("without an index", False), ("indexed", True))
    with psycopg.connect(job["dsn"], autocommit=True) as connection:
        _fill_ledger(connection, rows)
        for run in range(1, runs + 1):
            for index, indexed in both:
                fill(connection, rows, indexed)
                plain = _plain(connection, rows)
                ours, transactions = switched(rows, indexed)
                ratio, longest, count = ours / plain, max(transactions), len(transactions)
                record(index, plain=plain, seconds=ours, ratio=ratio, longest=longest, transactions=count)
                say(
                    f"{run}/{runs}, {index}: {ours:.2f} s against {plain:.2f} s ({ratio:.2f}x); "
                    f"longest of {count} transactions {longest:.2f} s"
                )
        for part in (rows // 4, rows // 2):
            _fill_ledger(connection, part)
            for index, indexed in both:
                seconds, _ = switched(part, indexed)
                record(f"{index}/{part}", seconds=seconds)
                say(f"{part:,} rows, {index}: {seconds:.2f} s")
    return {"samples": samples}


if __name__ == "__main__":
    serve(lambda job: partial(_compare, job))
