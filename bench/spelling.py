"""What the look for rows that are spelt otherwise adds to a proof: against the pass over the rows that it made before.

All rows are switched and every object still lies in legacy, as a proof finds them; then one row is spelt otherwise, so
that every object has to be spelt out.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg

from bench.bench import Bench
from bench.servers import fill_rows
from bench.switching import PLAIN, database, fill_ledger
from devstack.product import declare
from s3_migration.ledger.references import MOVE, parts_of_all
from s3_migration.ledger.statements import statement, takes
from s3_migration.model.declaration import Declaration

OTHERWISE = "INSERT INTO avatars (path) VALUES ('image/avatar%2D1.png')"


def measure(bench: Bench) -> None:
    rows = bench.options.rows
    with database(bench) as (connection, _):
        fill_ledger(connection, rows)
        for _ in bench.rounds("spelling"):
            fill_rows(connection, rows)
            connection.execute(PLAIN)
            connection.execute("VACUUM ANALYZE avatars")
            connection.execute("UPDATE s3_migration.ledger SET problem = NULL, detail = NULL WHERE problem IS NOT NULL")
            pass_ = _seconds(connection, "mark_still_referenced")
            clean = _seconds(connection, "has_misspelt_rows")
            connection.execute(OTHERWISE)
            files = ("has_misspelt_rows", "create_misspelt", "find_misspelt", "mark_misspelt", "drop_misspelt")
            dirty = sum(_seconds(connection, file) for file in files)
            bench.record("spelling/clean", seconds=clean, ratio=clean / pass_)
            bench.record("spelling/one row otherwise", seconds=dirty, ratio=dirty / pass_)


def _seconds(connection: psycopg.Connection[Any], file: str) -> float:
    declaration = Declaration.model_validate(declare())
    query = statement(file, **parts_of_all(declaration.references, MOVE))
    run = connection.execute("SELECT max(run_no) FROM s3_migration.run").fetchone()
    known = {"migration_id": 1, "run_no": run and run[0], "undo": False, "legacy_rest": len("image/") + 1}
    begun = time.monotonic()
    connection.execute(query, {name: known[name] for name in takes(query)})
    return time.monotonic() - begun
