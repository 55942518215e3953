"""The switch of a million rows, by the real step, against one plain UPDATE of them all.

    python -m bench.switching [--rows N] [--runs N]

Progress goes to stderr, one JSON object of results to stdout. PostgreSQL's settings are as they ship.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import secrets
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO
from unittest.mock import patch

import psycopg
from psycopg import sql

from devstack.environment import ROOT
from devstack.errors import LocalError
from devstack.postgres import Postgres
from devstack.product import ROLE, ensure_role
from s3_migration.ledger.schema import statements
from s3_migration.model.declaration import Declaration

DIRECTORY = ROOT / ".local" / "bench"
RUN = "bench"
DECLARATION = Declaration.model_validate(
    {
        "name": "avatars",
        "legacy": {"conn_id": "legacy_s3", "bucket": "legacy-s3", "prefix": "image/"},
        "production": {"conn_id": "production_s3", "bucket": "production-s3", "prefix": "avatar/"},
        "database": {"conn_id": "proddatabase", "table": "avatars", "column": "path"},
    }
)
TABLE = "CREATE TABLE avatars (id serial PRIMARY KEY, path varchar)"
INDEX = "CREATE INDEX avatars_path ON avatars (path)"
ROWS = "INSERT INTO avatars (path) SELECT 'image/avatar-' || n || '.png' FROM generate_series(1, %(rows)s) AS n"
COPIED = """
INSERT INTO s3_migration.ledger (
    migration_id, legacy_key, legacy_size, legacy_etag, legacy_modified, run_no,
    copied_etag, production_etag, production_modified
)
SELECT 1, 'image/avatar-' || n || '.png', 50000, e, now(), r.run_no, e, e, now()
FROM generate_series(1, %(rows)s) AS n CROSS JOIN LATERAL md5(n::text) AS e CROSS JOIN s3_migration.run AS r
"""
PLAIN = "UPDATE avatars SET path = 'avatar/' || substr(path, 7) WHERE path LIKE 'image/%'"

_begun = time.monotonic()


def say(line: str) -> None:
    print(f"[{time.monotonic() - _begun:4.0f} s] {line}", file=sys.stderr, flush=True)


def arguments(doc: str | None, name: str) -> argparse.ArgumentParser:
    """What both benches of the database can be told."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, default=DIRECTORY / name, help="of the server (default: %(default)s)")
    return parser


def results() -> TextIO:
    """Where the results go, alone: what libraries print goes to stderr from here on."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return out


@contextmanager
def database(directory: Path) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A server of its own with the product's database, set up; Airflow's connection to it in the environment.

    Stopped and removed at the end, and at the start whatever a killed bench left.

    :raises LocalError: another bench has its server there.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LocalError(
                f"another bench has its server in {directory}; repeat then, or give a --directory"
            ) from error
        with _server(directory) as connection:
            yield connection


@contextmanager
def _server(directory: Path) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    Postgres(directory).stop()
    shutil.rmtree(directory, ignore_errors=True)
    server, password = Postgres(directory), secrets.token_hex(8)
    try:
        server.start()
        ensure_role(server, ROLE, password)
        with server.connect() as connection:
            connection.execute("CREATE DATABASE proddatabase")
        with server.connect("proddatabase") as connection, tempfile.TemporaryDirectory() as home:
            connection.execute(TABLE)
            for text in statements(DECLARATION):
                connection.execute(text.encode())
            os.environ["AIRFLOW_HOME"] = home  # before Airflow is imported: the person's own is none of ours
            os.environ["AIRFLOW_CONN_PRODDATABASE"] = json.dumps(
                {
                    "conn_type": "postgres",
                    "host": "127.0.0.1",
                    "port": server.port,
                    "login": ROLE,
                    "password": password,
                    "schema": "proddatabase",
                }
            )
            yield connection
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def run_again(connection: psycopg.Connection[Any]) -> None:
    """A run whose listing is over and whose switch is not, under nobody's lease."""
    connection.execute(
        "INSERT INTO s3_migration.run (migration_id, run_id, mode, grace_period, listed_at) "
        "VALUES (1, %s, 'switch', '0s', now()) "
        "ON CONFLICT (migration_id, run_id) DO UPDATE SET switched_at = NULL",
        [RUN],
    )
    connection.execute(
        "UPDATE s3_migration.migration SET lease_run_no = (SELECT run_no FROM s3_migration.run), "
        "lease_until = now() + interval '1 day'"
    )


@dataclass
class Switch:
    """One switch by the step itself."""

    seconds: float = 0
    rows: int = 0
    batches: list[float] = field(default_factory=list)
    """Seconds of each transaction."""

    @classmethod
    def measure(cls) -> Switch:
        from s3_migration.ledger.connection import Ledger
        from s3_migration.steps.run import working
        from s3_migration.steps.switching import switch_rows

        made, batch = cls(), Ledger.batch

        @contextmanager
        def timed(ledger: Ledger) -> Iterator[None]:
            begun = time.monotonic()
            with batch(ledger):
                yield
            made.batches.append(time.monotonic() - begun)

        with patch.object(Ledger, "batch", timed), working(DECLARATION, RUN, "switch") as run:
            begun = time.monotonic()
            made.rows = switch_rows(run)
            made.seconds = time.monotonic() - begun
        return made


def fill(connection: psycopg.Connection[Any], rows: int, indexed: bool) -> None:
    """A fresh table, as a product has it: vacuumed, analysed, on disk."""
    connection.execute("DROP TABLE avatars")
    connection.execute(TABLE)
    connection.execute(ROWS, {"rows": rows})
    if indexed:
        connection.execute(INDEX)
    connection.execute(sql.SQL("GRANT SELECT, UPDATE (path) ON avatars TO {}").format(sql.Identifier(ROLE)))
    connection.execute("VACUUM ANALYZE avatars")
    connection.execute("CHECKPOINT")


def fill_ledger(connection: psycopg.Connection[Any], objects: int) -> None:
    connection.execute("TRUNCATE s3_migration.ledger")
    run_again(connection)
    connection.execute(COPIED, {"rows": objects})
    connection.execute("VACUUM ANALYZE s3_migration.ledger")


def plain(connection: psycopg.Connection[Any], rows: int) -> float:
    begun = time.monotonic()
    updated = connection.execute(PLAIN).rowcount
    seconds = time.monotonic() - begun
    _expect(updated, rows)
    return seconds


def switched(connection: psycopg.Connection[Any], rows: int) -> Switch:
    run_again(connection)
    made = Switch.measure()
    _expect(made.rows, rows)
    return made


def _expect(found: int, rows: int) -> None:
    if found != rows:
        raise SystemExit(f"{found} rows were switched, expected {rows}")


def compare(connection: psycopg.Connection[Any], rows: int, runs: int) -> dict[str, list[float]]:
    """Both ways in turn, on a fresh table each time."""
    samples: dict[str, list[float]] = {}

    def record(name: str, value: float) -> None:
        samples.setdefault(f"switching/{name}", []).append(value)

    fill_ledger(connection, rows)
    for run in range(1, runs + 1):
        for index, indexed in (("without an index", False), ("indexed", True)):
            fill(connection, rows, indexed)
            by_update = plain(connection, rows)
            fill(connection, rows, indexed)
            ours = switched(connection, rows)
            record(f"{index}/plain", by_update)
            record(f"{index}/seconds", ours.seconds)
            record(f"{index}/ratio", ours.seconds / by_update)
            record(f"{index}/longest", max(ours.batches))
            record(f"{index}/transactions", len(ours.batches))
            say(
                f"{run}/{runs}, {index}: {ours.seconds:.2f} s against {by_update:.2f} s "
                f"({ours.seconds / by_update:.2f}x); longest of {len(ours.batches)} transactions "
                f"{max(ours.batches):.2f} s"
            )
    for part in (rows // 4, rows // 2):
        fill_ledger(connection, part)
        for index, indexed in (("without an index", False), ("indexed", True)):
            fill(connection, part, indexed)
            ours = switched(connection, part)
            record(f"{index}/{part}/seconds", ours.seconds)
            say(f"{part:,} rows, {index}: {ours.seconds:.2f} s")
    return samples


def main() -> None:
    parser = arguments(__doc__, "switching")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    options, out = parser.parse_args(), results()
    try:
        with database(options.directory) as connection:
            samples = compare(connection, options.rows, options.runs)
    except LocalError as error:
        sys.exit(str(error))
    figures = {
        name: {"median": statistics.median(values), "least": min(values), "most": max(values)}
        for name, values in samples.items()
    }
    json.dump({"rows": options.rows, "runs": options.runs, "figures": figures, "samples": samples}, out)
    print(file=out, flush=True)


if __name__ == "__main__":
    main()
