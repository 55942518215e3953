"""The whole move, from the listing to the reconciliation: ours against one object at a time, and against N."""

from __future__ import annotations

from bench.bench import PLACES, Bench
from bench.servers import Product

ONE_BY_ONE = "one by one"
# So many objects are moved one at a time, and the rate taken for all; far away the rate is settled by fewer.
SAMPLES = {"near": 2_000, "far": 500}
STEPS = ("list", "copy", "switch", "verify", "gate", "delete", "reconcile")
# The account of a second run, and what PostgreSQL counted of writes to the table since.
NOTHING = {"copied": 0, "deleted": 0, "rows_switched": 0, "rows_written": 0}
# Rows of the table ever written; counted by whoever wrote them at the end of their connection.
ROWS_WRITTEN = "SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables WHERE relname = 'avatars'"
LEDGER_BYTES = "SELECT pg_total_relation_size('s3_migration.ledger')"
# Below that many objects the few requests of each step weigh too much for a claim about many.
ENOUGH = 5_000
MAX_REQUESTS = 1.01


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
        used = bench.run(bench.ours(product, "first", *STEPS, before=["check"]))
        account, requests = used.answer["account"], sum(used.answer["account"]["requests"].values()) / objects
        rate, cpu = objects / used.seconds, used.cpu / objects * 1000
        bench.record(name, seconds=used.seconds, rate=rate, cpu=cpu, requests=requests, rss=used.rss)
        bench.record(f"{name}/seconds", **used.answer["steps"])
        done = {each: account[each] for each in ("copied", "deleted", "rows_switched")}
        bench.require(set(done.values()) == {objects}, f"a move of {objects} objects did {done}")
        bench.require(
            objects < ENOUGH or requests <= MAX_REQUESTS,
            f"{requests:.4f} S3 requests for each of {objects} objects: {account['requests']}",
        )
        if place == "near" and objects == bench.options.objects:
            bench.record(name, ledger_bytes=bench.servers.number(product, LEDGER_BYTES) / objects)
            _again(bench, product)


def _again(bench: Bench, product: Product) -> None:
    """A second run over finished work: it must find nothing to do."""
    before = bench.servers.number(product, ROWS_WRITTEN)
    used = bench.run(bench.ours(product, "second", *STEPS, before=["check"]))
    account = used.answer["account"]
    done = {each: int(account.get(each, 0)) for each in NOTHING}
    done["rows_written"] = bench.servers.number(product, ROWS_WRITTEN) - before
    bench.record("move/again", seconds=used.seconds, requests=sum(account["requests"].values()), **done)
    bench.require(done == NOTHING, f"a second run over finished work did {done}")
    writes = [name for name in account["requests"] if name.startswith(("Copy", "Put", "Delete"))]
    bench.require(not writes, f"a second run over finished work sent {writes}")


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
        used = bench.client("scripts.one_by_one", endpoint, sample=sample, **job)
    rate, cpu = sample / used.seconds, used.cpu / sample * 1000
    bench.record(f"move/{place}/{ONE_BY_ONE}", seconds=objects / rate, rate=rate, cpu=cpu)
