"""The whole move, from the listing to the reconciliation: ours against one object at a time, and against N."""

from __future__ import annotations

from bench.bench import PLACES, Bench
from bench.processes import Job, Usage
from bench.servers import Product, number
from devstack.errors import LocalError

ONE_BY_ONE = "one by one"
# So many objects are moved one at a time, and the rate taken for all; far away the rate is settled by fewer.
SAMPLES = {"near": 2_000, "far": 500}
STEPS = ("list", "copy", "switch", "verify", "gate", "delete", "reconcile")
# Of which a second run does nothing: by its account, and what PostgreSQL counted of writes to the table since.
NOTHING = ("copied", "deleted", "rows_switched", "rows_written")
# Rows of the table ever written; counted by whoever wrote them at the end of their connection.
ROWS_WRITTEN = "SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables WHERE relname = 'avatars'"
LEDGER_BYTES = "SELECT pg_total_relation_size('s3_migration.ledger')"


def measure(bench: Bench) -> None:
    """Near and far, whole; once of parts as well, to see what becomes of the time as the number grows."""
    objects = bench.options.objects
    for place, delay in PLACES.items():
        with bench.servers.far_away(delay) as endpoint:
            for part in (objects // 4, objects // 2) if place == "near" else ():
                _move(bench, place, endpoint, max(part, 1))
            for _ in bench.rounds(f"move, {place}"):
                _move(bench, place, endpoint, objects)
                _one_by_one(bench, place, endpoint)


def _move(bench: Bench, place: str, endpoint: str, objects: int) -> None:
    name = f"move/{place}/{objects}"
    with (
        bench.servers.bucket("legacy", objects) as legacy,
        bench.servers.bucket("production") as production,
        bench.servers.product(legacy, production, objects, endpoint) as product,
    ):
        used, account, requests = _run(bench, product, "first")
        requests /= objects
        rate, cpu = objects / used.seconds, used.cpu / objects * 1000
        bench.record(name, seconds=used.seconds, rate=rate, cpu=cpu, requests=requests, rss=used.rss)
        bench.record(f"{name}/seconds", **used.answer["seconds"])
        done = {each: account[each] for each in ("copied", "deleted", "rows_switched")}
        if set(done.values()) != {objects}:
            raise LocalError(f"a move of {objects} objects did {done}")
        if place == "near" and objects == bench.options.objects:
            with bench.servers.postgres.connect(product.database) as connection:
                bench.record(name, ledger_bytes=number(connection, LEDGER_BYTES) / objects)
                written = number(connection, ROWS_WRITTEN)
                used, account, requests = _run(bench, product, "second")
                written = number(connection, ROWS_WRITTEN) - written
            done = {each: account.get(each, 0) for each in NOTHING[:-1]}
            bench.record("move/again", seconds=used.seconds, requests=requests, **done, rows_written=written)


def _run(bench: Bench, product: Product, run_id: str) -> tuple[Usage, Job, float]:
    """A run after its check: what it took, its account, and how many S3 requests it sent."""
    with bench.ours(product, run_id) as ours:
        ours.ask(steps=["check"])
        used = ours.ask(steps=STEPS)
    account = used.answer["reconcile"]
    return used, account, sum(account["requests"].values())


def _one_by_one(bench: Bench, place: str, endpoint: str) -> None:
    """A sample of the objects, in a table with the rows of all; the seconds are those of all."""
    objects, servers = bench.options.objects, bench.servers
    sample = min(SAMPLES[place], objects)
    with (
        servers.bucket("legacy", sample) as legacy,
        servers.bucket("production") as production,
        servers.product(legacy, production, objects, endpoint) as product,
    ):
        job = {"source": legacy, "bucket": production, "database": servers.postgres.dsn(product.database)}
        used = bench.take("peers.move_one_by_one", endpoint, sample=sample, **job)
    rate, cpu = sample / used.seconds, used.cpu / sample * 1000
    bench.record(f"move/{place}/{ONE_BY_ONE}", seconds=objects / rate, rate=rate, cpu=cpu)
