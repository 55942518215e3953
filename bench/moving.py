"""The whole move, from the listing to the reconciliation: ours against one object at a time, and against N."""

from __future__ import annotations

from typing import Any

from bench.bench import PLACES, Bench
from bench.copying import ONE_BY_ONE, move_one_by_one
from bench.processes import run_children
from bench.servers import Product

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
            for number in range(1, bench.options.runs + 1):
                bench.say(f"move, {place}, round {number} of {bench.options.runs}")
                if place == "near" and number == 1:
                    for part in (objects // 4, objects // 2):
                        _move(bench, place, endpoint, max(part, 1))
                _move(bench, place, endpoint, objects)
                _one_by_one(bench, place, endpoint)


def _move(bench: Bench, place: str, endpoint: str, objects: int) -> None:
    name, whole = f"move/{place}/{objects}", objects == bench.options.objects
    with (
        bench.servers.bucket("legacy", objects) as legacy,
        bench.servers.bucket("production") as production,
        bench.servers.product(legacy, production, objects, endpoint, **bench.fields()) as product,
    ):
        usage = run_children([bench.ours(product, "first", "move")], bench.patience(objects))
        account, steps, memory = (usage.answer[each] for each in ("account", "steps", "memory"))
        rate = objects / usage.seconds
        bench.say(f"  {objects:,} objects, ours {usage.seconds:12.1f} s {rate:8,.0f} objects/s {_shares(steps)}")
        requests = sum(account["requests"].values()) / objects
        bench.record(name, seconds=usage.seconds, rate=rate, cpu=usage.cpu / objects * 1000, requests=requests)
        bench.record(f"{name}/seconds", **steps)
        bench.record(f"{name}/rss", **memory)
        done = {each: account[each] for each in ("copied", "deleted", "rows_switched")}
        bench.require(set(done.values()) == {objects}, f"a move of {objects} objects did {done}")
        if objects >= ENOUGH:
            bench.require(
                requests <= MAX_REQUESTS,
                f"{requests:.4f} S3 requests for each of {objects} objects: {account['requests']}",
            )
        if whole and place == "near":
            bench.record(name, ledger_bytes=bench.servers.number(product, LEDGER_BYTES) / objects)
            _again(bench, product)


def _again(bench: Bench, product: Product) -> None:
    """A second run over finished work: it must find nothing to do."""
    before = bench.servers.number(product, ROWS_WRITTEN)
    usage = run_children([bench.ours(product, "second", "move")], bench.patience(bench.options.objects))
    account: dict[str, Any] = usage.answer["account"]
    done = {each: int(account.get(each, 0)) for each in ("copied", "deleted", "rows_switched")}
    done["rows_written"] = bench.servers.number(product, ROWS_WRITTEN) - before
    sent = sum(account["requests"].values())
    bench.say(f"  a second run {usage.seconds:17.1f} s; {sent} S3 requests; {done}")
    bench.record("move/again", seconds=usage.seconds, requests=sent, **done)
    bench.require(done == NOTHING, f"a second run over finished work did {done}")
    writes = {
        name: number for name, number in account["requests"].items() if name.startswith(("Copy", "Put", "Delete"))
    }
    bench.require(not writes, f"a second run over finished work sent {writes}")


def _one_by_one(bench: Bench, place: str, endpoint: str) -> None:
    with bench.servers.bucket("production") as production:
        sample, usage = move_one_by_one(bench, place, endpoint, production)
    rate = sample / usage.seconds
    bench.say(f"  {sample:,} objects, one by one {usage.seconds:6.1f} s {rate:8,.0f} objects/s")
    all_of_them = bench.options.objects / rate
    bench.record(f"move/{place}/{ONE_BY_ONE}", seconds=all_of_them, rate=rate, cpu=usage.cpu / sample * 1000)


def _shares(steps: dict[str, float]) -> str:
    return "(" + ", ".join(f"{step} {seconds:.1f}" for step, seconds in steps.items()) + ")"
