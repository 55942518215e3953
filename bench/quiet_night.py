"""A night with nothing to do over very many finished objects: what it asks of the database and of the store."""

from __future__ import annotations

import time

from bench.bench import Bench
from bench.scaled_run import STEPS, requests_of, scaled_run
from bench.servers import number

# As the last of many nights left them: moved, deleted, and switched.
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
"""
ROWS = """
INSERT INTO avatars (path)
SELECT 'avatar/avatar-' || n || '.png' FROM generate_series(%(first)s::bigint, %(last)s) AS n
"""
# So many are written at a time.
TOGETHER = 1_000_000
# Milliseconds in which statements were at work; counted by each session at its end.
ACTIVE = "SELECT active_time::bigint FROM pg_stat_database WHERE datname = current_database()"


def measure_quiet_night(bench: Bench, objects: int) -> dict[str, float]:
    """Answers the figures of the run: its seconds, those of the database at work, S3 requests, and so on."""
    with scaled_run(bench, objects, moved=True) as run:
        run.connection.execute(EARLIER)
        for first in range(1, objects + 1, TOGETHER):
            part = {"first": first, "last": min(first + TOGETHER - 1, objects)}
            for statement in (FINISHED, ROWS):
                run.connection.execute(statement.encode(), part)
        run.connection.execute("VACUUM ANALYZE")
        run.connection.execute("CHECKPOINT")
        time.sleep(1.2)
        active = number(run.connection, ACTIVE)
        run.watched("night", *STEPS)
        time.sleep(1.2)
        # What this process looks at meanwhile is some milliseconds of it.
        seconds = (number(run.connection, ACTIVE) - active) / 1_000
        night = {what: run.figures[f"night/{what}"] for what in ("seconds", "longest", "beside_bytes", "rss")}
        return {**night, "database": seconds, "requests": requests_of(run.counters())}
