"""What keeps the time of a run a straight line, and the benches that measure it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.scale import planned
from s3_migration.ledger import staging
from s3_migration.ledger.connection import Ledger, RunLedger
from s3_migration.ledger.statements import statement
from tests.support import ROOT
from tests.support.product import Product

MANY = 100_000
SEEN = "INSERT INTO pg_temp.listed_{} SELECT 'image/' || n, 1, 'e', now() FROM generate_series(%s::int, %s::int) AS n"


@pytest.fixture
def ledger(product: Product) -> Iterator[RunLedger]:
    """The migrator's, in run 1; no statement may take longer than it takes to join each object with each."""
    product.sql("INSERT INTO s3_migration.run (migration_id, run_id, mode, grace_period) VALUES (1, 'r', 'move', '0')")
    made = Ledger.connect(product.declaration).of_migration(1).of_run(1)
    made.connection.execute("SET statement_timeout = '30s'")
    staging.create(made)
    yield made
    made.close()


def see(ledger: RunLedger, side: str, first: int, last: int) -> None:
    ledger.connection.execute(SEEN.format(side).encode(), [first, last])
    staging.finish(ledger, side)


def test_no_statement_is_endless_where_the_statistics_are_of_an_earlier_night(
    product: Product, ledger: RunLedger
) -> None:
    """All was moved then, and nothing was left; now as much has come again."""
    see(ledger, "legacy", 1, MANY)
    ledger.execute("insert_listed")
    product.sql(
        "UPDATE s3_migration.ledger SET legacy_gone_at = now(), production_modified = now(), problem = 'withdrawn'"
    )
    product.sql("INSERT INTO avatars (path) SELECT 'avatar/' || n FROM generate_series(1, %s) AS n", MANY)
    product.sql("VACUUM ANALYZE s3_migration.ledger")
    product.sql("VACUUM ANALYZE avatars")

    staging.create(ledger)
    see(ledger, "legacy", MANY + 1, 2 * MANY)
    product.sql(
        "INSERT INTO avatars (path) SELECT 'image/' || n FROM generate_series(%s::int, %s::int) AS n",
        MANY + 1,
        2 * MANY,
    )
    see(ledger, "production", MANY + 1, 2 * MANY)
    values = {
        "takes_all": True,
        "keys": None,
        "proving": True,
        "since": "2026-01-01",
        "length": 100,
        "first_key": None,
        "last_key": None,
    }
    for file in (
        *(
            "find_unlisted_rows",
            "forecast",
            "count_referenced",
            "adopt",
            "judge_listed",
            "insert_listed",
            "adopt",
            "judge_listed",
            "judge_gone",
        ),
        *(
            "judge_unlisted_rows",
            "count_missing",
            "clear_chunks",
            "count_scope",
            "create_chunks",
            "compare",
            "mark_still_referenced",
        ),
        *("end_verification", "count_states", "count_rows_left", "grace_left"),
    ):
        ledger.connection.execute(statement(file, **ledger.parts), {**ledger.values, **values})
    assert product.sql("SELECT count(*) FROM s3_migration.ledger WHERE problem = 'still_referenced'") == [(MANY,)]


@pytest.mark.parametrize(
    ("objects", "instances"), [(1, 9), (10_000, 9), (10_001, 11), (10_000_000, 2_007), (10**10, 2_007)]
)
def test_a_run_is_bounded_whatever_the_number(objects: int, instances: int) -> None:
    most = planned(objects)
    assert most["task_instances"] == instances <= 2_500
    assert most["xcom_bytes"] <= 64 * 1024


def bench(directory: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", *arguments, "--directory", str(directory / "bench")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout))


def test_the_bench_of_the_switch_runs(tmp_path: Path) -> None:
    samples = bench(tmp_path, "bench.switching", "--rows", "2000", "--runs", "2")["samples"]
    for index in ("without an index", "indexed"):
        assert len(samples[f"switching/{index}/ratio"]) == len(samples[f"switching/{index}/longest"]) == 2
        assert samples[f"switching/{index}/500/seconds"]


def test_the_bench_of_scale_runs(tmp_path: Path) -> None:
    found = bench(tmp_path, "bench.scale", "--objects", "3000")
    assert list(found["figures"]) == ["300", "900", "3000"]
    assert found["figures"]["3000"]["chunks"] == 1
    assert found["samples"].keys() == {"scale/rss", "scale/ledger_bytes", "scale/xcom_bytes", "scale/task_instances"}
