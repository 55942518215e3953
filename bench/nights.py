"""Nights over very many finished objects: one with some new ones, one with nothing to do."""

from __future__ import annotations

import time

from bench.bench import Bench
from bench.moving import LEDGER_BYTES
from bench.scaled_run import STEPS, ScaledRun, requests_of, scaled_run
from bench.servers import number

# Of so many objects one is new, here and there in the order of keys.
FRESH = 500
# As the last of many nights left the others: moved, deleted, and switched.
EARLIER = """
INSERT INTO s3_migration.run (migration_id, run_id, mode, grace_period, listed_at, switched_at, finished_at)
SELECT migration_id, 'earlier', 'move', '0s', now(), now(), now() FROM s3_migration.migration
"""
FINISHED = """
INSERT INTO s3_migration.ledger (
    migration_id, legacy_key, legacy_size, legacy_etag, legacy_modified, run_no,
    copied_etag, production_etag, production_modified, legacy_gone_at
)
SELECT r.migration_id, 'image/avatar-' || n || '.png', 50000, e, now(), r.run_no, e, e, now(), now()
FROM generate_series(%(first)s::bigint, %(last)s) AS n
CROSS JOIN LATERAL md5(n::text) AS e
CROSS JOIN s3_migration.run AS r
WHERE n %% %(fresh)s <> 0
"""
ROWS = """
INSERT INTO avatars (path)
SELECT CASE n %% %(fresh)s WHEN 0 THEN 'image/avatar-' ELSE 'avatar/avatar-' END || n || '.png'
FROM generate_series(%(first)s::bigint, %(last)s) AS n
"""
# So many are written at a time.
TOGETHER = 1_000_000
# Milliseconds in which statements were at work; counted by each session at its end.
ACTIVE = "SELECT active_time::bigint FROM pg_stat_database WHERE datname = current_database()"


def measure(bench: Bench) -> None:
    """The same number of new objects with nothing finished beside them, then with the greatest of the sizes."""
    objects = round(bench.options.sizes[-1] * 1_000_000)
    fresh = objects // FRESH
    with scaled_run(bench, fresh) as run:
        run.measure()
    bench.record("nights/alone", **_seconds(run, fresh))
    with scaled_run(bench, objects, rows=0, moved=True, fresh=FRESH) as run:
        fill(run, objects)
        bench.say(f"{objects - fresh:,} are finished, {fresh:,} new")
        run.measure()
        bench.record("nights/beside", **_seconds(run, fresh))
        begun = time.monotonic()
        run.connection.execute("VACUUM (ANALYZE) s3_migration.ledger")
        vacuum = time.monotonic() - begun
        ledger = number(run.connection, LEDGER_BYTES) / objects
        bench.say(f"a vacuum of the ledger: {vacuum:.1f} s; {ledger:.0f} bytes an object")
        bench.record("nights/ledger", vacuum=vacuum, bytes=ledger)
        bench.record("nights/quiet", **quiet(run))


def fill(run: ScaledRun, objects: int) -> None:
    run.connection.execute(EARLIER)
    for first in range(1, objects + 1, TOGETHER):
        part = {"first": first, "last": min(first + TOGETHER - 1, objects), "fresh": FRESH}
        for statement in (FINISHED, ROWS):
            run.connection.execute(statement.encode(), part)
    run.connection.execute("VACUUM ANALYZE")
    run.connection.execute("CHECKPOINT")


def _seconds(run: ScaledRun, fresh: int) -> dict[str, float]:
    """What each step took, and the whole run's worst."""
    figures = {step: run.figures[f"{step}/seconds"] for step in STEPS}
    worst = {name: max(run.figures[f"{step}/{name}"] for step in STEPS) for name in ("longest", "beside_bytes", "rss")}
    return {"objects": fresh, **figures, **worst}


def quiet(run: ScaledRun) -> dict[str, float]:
    """A night with nothing to do: its seconds, those of the database at work, its S3 requests, and so on."""
    run.run_id = "quiet"
    time.sleep(1.2)
    active, requests = number(run.connection, ACTIVE), requests_of(run.counters())
    run.watched("night", *STEPS)
    time.sleep(1.2)
    # What this process looks at meanwhile is some milliseconds of it.
    seconds = (number(run.connection, ACTIVE) - active) / 1_000
    night = {what: run.figures[f"night/{what}"] for what in ("seconds", "longest", "beside_bytes", "rss")}
    night |= {"database": seconds, "requests": requests_of(run.counters()) - requests}
    run.bench.say(f"with nothing to do: {night}")
    return night
