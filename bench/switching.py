"""The switch of a million rows, by the real step, against one plain UPDATE of them all.

PostgreSQL's settings are as they ship. `measure` is the part of the bench; `compare` is the child that does the work.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from bench.child import Job, Work, say
from bench.processes import Child, run_children
from bench.servers import ROWS
from devstack.product import ROLE, TABLE
from s3_migration.model.declaration import Declaration

if TYPE_CHECKING:
    from bench.bench import Bench

RUN = "bench"
INDEXES = {"without an index": "", "indexed": "CREATE INDEX avatars_path ON avatars (path)"}
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
    measure_database(bench, "switching.compare", rows=bench.options.rows, runs=bench.options.runs)


def measure_database(bench: Bench, what: str, **job: Any) -> Job:
    """Let a child work in a database of its own; S3 has no part in it. Answers what it did, and keeps its samples."""
    servers = bench.servers
    with servers.product("legacy-s3", "production-s3", 0, servers.s3.endpoint_url) as product:
        job |= {"dsn": servers.postgres.dsn(product.database), "declared": product.declared}
        answer = run_children([Child(what, job, product.environment, None)], patience=3 * 3600).answer
    bench.samples.update(answer["samples"])
    return answer


def run_again(connection: psycopg.Connection[Any]) -> None:
    """A run whose listing is over and whose switch is not, under its own lease."""
    connection.execute(
        "INSERT INTO s3_migration.run (migration_id, run_id, mode, grace_period, listed_at) "
        "VALUES (1, %s, 'move', '0s', now()) "
        "ON CONFLICT (migration_id, run_id) DO UPDATE SET switched_at = NULL",
        [RUN],
    )
    connection.execute(
        "UPDATE s3_migration.migration SET lease_until = now() + interval '1 day', "
        "lease_run_no = (SELECT run_no FROM s3_migration.run WHERE run_id = %s)",
        [RUN],
    )


def switch(declaration: Declaration, rows: int) -> tuple[float, list[float]]:
    """One switch by the step itself: its seconds, and those of each transaction."""
    from bench.recorder import recording
    from s3_migration.steps.run import working
    from s3_migration.steps.switching import switch_rows

    with recording() as recorder, working(declaration, RUN, "switch") as run:
        begun = time.monotonic()
        _expect(switch_rows(run), rows)
        return time.monotonic() - begun, recorder.transactions


def _expect(found: int, rows: int) -> None:
    if found != rows:
        raise SystemExit(f"{found} rows were switched, expected {rows}")


def fill(connection: psycopg.Connection[Any], rows: int, index: str = "") -> None:
    """A fresh table, as a product has it: vacuumed, analysed, on disk."""
    connection.execute("DROP TABLE avatars")
    connection.execute(TABLE)
    connection.execute(ROWS, [rows])
    connection.execute(index.encode())
    connection.execute(sql.SQL("GRANT SELECT, UPDATE (path) ON avatars TO {}").format(sql.Identifier(ROLE)))
    connection.execute("VACUUM ANALYZE avatars")
    connection.execute("CHECKPOINT")


def compare(dsn: str, declared: Job, rows: int, runs: int) -> Work:
    """Both ways in turn, on a fresh table each time; then ours with a quarter and a half of the rows."""
    declaration, samples = Declaration.model_validate(declared), defaultdict[str, list[float]](list)

    def record(name: str, **values: float) -> None:
        for what, value in values.items():
            samples[f"switching/{name}/{what}"].append(value)
        say(f"{name}: {', '.join(f'{what} {value:.2f}' for what, value in values.items())}")

    def fill_ledger(objects: int) -> None:
        connection.execute("TRUNCATE s3_migration.ledger")
        run_again(connection)
        connection.execute(COPIED, {"rows": objects})
        connection.execute("VACUUM ANALYZE s3_migration.ledger")

    def switched(rows: int, index: str) -> tuple[float, list[float]]:
        fill(connection, rows, INDEXES[index])
        run_again(connection)
        return switch(declaration, rows)

    def plain(index: str) -> float:
        fill(connection, rows, INDEXES[index])
        begun = time.monotonic()
        _expect(connection.execute(PLAIN).rowcount, rows)
        return time.monotonic() - begun

    def work() -> Job:
        fill_ledger(rows)
        for index in list(INDEXES) * runs:
            alone = plain(index)
            ours, transactions = switched(rows, index)
            longest, number = max(transactions), len(transactions)
            record(index, plain=alone, seconds=ours, ratio=ours / alone, longest=longest, transactions=number)
        for part in (rows // 4, rows // 2):
            fill_ledger(part)
            for index in INDEXES:
                record(f"{index}/{part}", seconds=switched(part, index)[0])
        return {"samples": samples}

    connection = psycopg.connect(dsn, autocommit=True)
    return work
