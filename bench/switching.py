"""The switch of a million rows, by the real step, against one plain UPDATE of them all; and with keys in random order.

PostgreSQL's settings are as they ship. With random keys (UUIDs) rows that lie beside each other name objects all over
the ledger, which is read from disk there: what a table of another order costs is told against ordered keys, as cold.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from bench.bench import Bench
from bench.processes import Child
from bench.servers import fill_rows
from devstack.errors import LocalError
from devstack.postgres import Postgres

RUN = "bench"
INDEXES = {"without an index": "", "indexed": "CREATE INDEX avatars_path ON avatars (path)"}
# By how keys follow each other in the table: the key of row n.
ORDERS = {
    "ordered keys": "'avatar-' || n || '.png'",
    "random keys": "md5(n::text)::uuid || '.png'",
}
ORDERED = ORDERS["ordered keys"]
COPIED = """
INSERT INTO s3_migration.ledger (
    migration_id, legacy_key, legacy_size, legacy_etag, legacy_modified, run_no,
    copied_etag, production_etag, production_modified
)
SELECT 1, 'image/' || {key} AS key, 50000, e, now(), r.run_no, e, e, now()
FROM generate_series(1, %(rows)s) AS n CROSS JOIN LATERAL md5(n::text) AS e CROSS JOIN s3_migration.run AS r
ORDER BY {order}
"""
ROWS = "INSERT INTO avatars (path) SELECT 'image/' || {key} FROM generate_series(1, %s) AS n"
LEDGER_FILES = """
SELECT pg_relation_filepath(c.oid) FROM pg_class AS c
WHERE c.relnamespace = 's3_migration'::regnamespace AND c.relname LIKE 'ledger%'
"""
PLAIN = "UPDATE avatars SET path = 'avatar/' || substr(path, 7) WHERE path LIKE 'image/%'"


def measure(bench: Bench) -> None:
    """Both ways in turn, on a fresh table each time; then ours with a quarter and a half of the rows."""
    rows = bench.options.rows
    with database(bench) as (connection, ours):
        fill_ledger(connection, rows)
        for _ in bench.rounds("switching"):
            for index in INDEXES:
                plain = _plain(connection, rows, index)
                seconds, transactions = _switch(connection, ours, rows, index)
                longest, number = max(transactions), len(transactions)
                figures = {"plain": plain, "seconds": seconds, "ratio": seconds / plain, "longest": longest}
                bench.record(f"switching/{index}", **figures, transactions=number)
        for part in (rows // 4, rows // 2):
            fill_ledger(connection, part)
            for index in INDEXES:
                seconds, _ = _switch(connection, ours, part, index)
                bench.record(f"switching/{index}/{part}", seconds=seconds)


def measure_orders(bench: Bench) -> None:
    """The switch of the same rows with keys in each order, side by side, the ledger not in memory."""
    rows = bench.options.rows
    with database(bench) as (connection, ours):
        for _ in bench.rounds("orders"):
            seconds = {}
            for order, key in ORDERS.items():
                fill_ledger(connection, rows, key)
                seconds[order], transactions = _switch(
                    connection, ours, rows, "without an index", key, bench.servers.postgres
                )
                bench.record(f"orders/{order}", seconds=seconds[order], longest=max(transactions))
            ordered, random = (seconds[order] for order in ORDERS)
            bench.record("orders/random keys", ratio=random / ordered)


@contextmanager
def database(bench: Bench) -> Iterator[tuple[psycopg.Connection[Any], Child]]:
    """A product, to an administrator and to a process of ours; S3 has no part in it."""
    servers = bench.servers
    with (
        servers.product("legacy-s3", "production-s3", 0, servers.s3.endpoint_url) as product,
        servers.postgres.connect(product.database) as connection,
        bench.ours(product, RUN) as ours,
    ):
        yield connection, ours


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


def fill_ledger(connection: psycopg.Connection[Any], objects: int, key: str = ORDERED) -> None:
    """As a listing does: in the order of keys, or of numbers where that makes no difference that counts."""
    connection.execute("TRUNCATE s3_migration.ledger")
    run_again(connection)
    copied = COPIED.format(key=key, order="n" if key == ORDERED else f'({key}) COLLATE "C"')
    connection.execute(copied.encode(), {"rows": objects})
    connection.execute("VACUUM ANALYZE s3_migration.ledger")


def _plain(connection: psycopg.Connection[Any], rows: int, index: str) -> float:
    fill_rows(connection, rows, INDEXES[index])
    begun = time.monotonic()
    expect_rows(connection.execute(PLAIN).rowcount, rows)
    return time.monotonic() - begun


def _switch(
    connection: psycopg.Connection[Any],
    ours: Child,
    rows: int,
    index: str,
    key: str = ORDERED,
    cooled: Postgres | None = None,
) -> tuple[float, list[float]]:
    """One switch by the step itself: its seconds, and those of each transaction.

    :param cooled: the server, whose ledger is to be read from disk.
    """
    fill_rows(connection, rows, INDEXES[index], ROWS.format(key=key))
    run_again(connection)
    if cooled:
        _cool(connection, cooled)
    answer = ours.ask(steps=["switch_rows"]).answer
    expect_rows(answer["switch_rows"]["rows"], rows)
    return answer["switch_rows"]["seconds"], answer["transactions"]


def _cool(connection: psycopg.Connection[Any], postgres: Postgres) -> None:
    """Of the ledger nothing is in memory: the server's is full of the rows that came last, the kernel is told to."""
    connection.execute("CHECKPOINT")
    for (path,) in connection.execute(LEDGER_FILES).fetchall():
        for file in (postgres.data / path).parent.glob(f"{Path(path).name}*"):
            descriptor = os.open(file, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def expect_rows(found: int, rows: int) -> None:
    if found != rows:
        raise LocalError(f"{found} rows were switched, expected {rows}")
