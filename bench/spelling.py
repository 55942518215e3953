"""What the look for rows that are spelt otherwise adds to a proof: against the pass over the rows that it made before.

All rows are switched and every object still lies in legacy, as a proof finds them; then one row is spelt otherwise, so
that every object has to be spelt out.
"""

from __future__ import annotations

from typing import Any

import psycopg

from bench.bench import Bench
from bench.processes import Child
from bench.servers import fill_rows
from bench.switching import PLAIN, database, fill_ledger, run_again

SPELLING = ("find_otherwise", "fill_otherwise", "find_misspelt", "mark_misspelt")
REST = ("find_rows_left",)
OTHERWISE = "INSERT INTO avatars (path) VALUES ('image/avatar%2D1.png')"


def measure(bench: Bench) -> None:
    rows = bench.options.rows
    with database(bench) as (connection, ours):
        fill_ledger(connection, rows)
        for _ in bench.rounds("spelling"):
            fill_rows(connection, rows)
            connection.execute(PLAIN)
            connection.execute("VACUUM ANALYZE avatars")
            connection.execute("UPDATE s3_migration.ledger SET problem = NULL, detail = NULL WHERE problem IS NOT NULL")
            clean = _seconds(connection, ours)
            connection.execute(OTHERWISE)
            dirty = _seconds(connection, ours)
            bench.record("spelling/clean", **clean)
            bench.record("spelling/one row otherwise", **dirty)


def _seconds(connection: psycopg.Connection[Any], ours: Child) -> dict[str, float]:
    """What spelling takes of the pass that a proof rests on, and that against the rest of the pass."""
    run_again(connection)
    statements = ours.ask(steps=["settle"]).answer["statements"]
    spelling, rest = (sum(statements[file] for file in files if file in statements) for files in (SPELLING, REST))
    return {"seconds": spelling, "ratio": spelling / rest}
