"""The copy stage alone: ours and everybody else, on one server, production empty at the start of each measurement."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from bench import peers
from bench.bench import PLACES, SAMPLES, Bench, rounds
from bench.processes import Child, Usage, run_children, run_tool
from bench.servers import KEPT
from devstack.errors import LocalError

OURS, OURS_TWICE = "ours", "ours, 2 processes"
S5CMD, THREADS, ONE_BY_ONE = "s5cmd", "boto3, 32 threads", "one by one"
LIMIT, LIMIT_CONDITIONAL = "limit of the server", "limit, conditional"

Measure = Callable[[Bench, str, str], tuple[int, Usage]]  # of the endpoint and the bucket; answers the copies made


def measure(bench: Bench) -> None:
    """Every contender in every round, near and far."""
    for place, delay in PLACES.items():
        with bench.servers.far_away(delay) as endpoint:
            _measure(bench, OURS, place, endpoint, keep=False)  # whoever comes first finds a cold server
            for number, order in enumerate(rounds(bench, list(CONTENDERS)), start=1):
                bench.say(f"copy, {place}, round {number} of {bench.options.runs}")
                for contender in order:
                    _measure(bench, contender, place, endpoint)


def _measure(bench: Bench, contender: str, place: str, endpoint: str, *, keep: bool = True) -> None:
    with bench.servers.bucket("production") as bucket:
        wanted, usage = CONTENDERS[contender](bench, endpoint, bucket)
        made = _count(bench, bucket)
    if made != wanted:
        raise LocalError(f"{contender} made {made} copies of {wanted}")
    rate, cpu = made / usage.seconds, usage.cpu / made * 1000
    if keep:
        bench.record(f"copy/{place}/{contender}", rate=rate, cpu=cpu, rss=usage.rss)
        bench.say(f"  {contender:<20} {rate:8,.0f} objects/s {cpu:7.2f} ms CPU {usage.rss / 2**20:6.0f} MiB")


def _count(bench: Bench, bucket: str) -> int:
    pages = bench.servers.s3.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="avatar/")
    return sum(len(page.get("Contents", [])) for page in pages)


def _ours(processes: int, bench: Bench, endpoint: str, bucket: str) -> tuple[int, Usage]:
    """copy_chunk of all chunks, as mapped tasks in so many processes; check and listing come before, unmeasured."""
    objects = bench.options.objects
    fields = bench.fields(chunk_size=min(10_000, -(-objects // processes)))
    with bench.servers.product(KEPT, bucket, objects, endpoint, **fields) as product:
        chunks = run_children([bench.ours(product, "bench", "list")], bench.patience(objects)).answer["chunks"]
        tasks = [bench.ours(product, "bench", "copy", chunks=chunks[first::processes]) for first in range(processes)]
        return objects, run_children(tasks, bench.patience(objects))


def _tool(name: str, bench: Bench, endpoint: str, bucket: str) -> tuple[int, Usage]:
    objects, servers = bench.options.objects, bench.servers
    command = peers.COMMANDS[name](endpoint, KEPT, bucket)
    log = servers.log(name.replace(" ", "-"))
    return objects, run_tool(command, peers.environment(servers), log, bench.patience(objects))


def _limit(conditional: bool, bench: Bench, endpoint: str, bucket: str) -> tuple[int, Usage]:
    objects = bench.options.objects
    # A long way off it takes more of them to keep the server busy.
    connections = 64 if endpoint == bench.servers.s3.endpoint_url else 256
    child = bench.servers.raw_copies(
        bucket, objects, endpoint=endpoint, conditional=conditional, connections=connections
    )
    return objects, run_children([child], bench.patience(objects))


def _threads(bench: Bench, endpoint: str, bucket: str) -> tuple[int, Usage]:
    child = _script(bench, endpoint, KEPT, bucket, do="threads")
    return bench.options.objects, run_children([child], bench.patience(bench.options.objects))


def move_one_by_one(bench: Bench, place: str, endpoint: str, bucket: str) -> tuple[int, Usage]:
    """A sample of the objects, in a table with the rows of all."""
    objects = bench.options.objects
    sample = min(SAMPLES[place], objects)
    with (
        bench.servers.bucket("legacy", sample) as legacy,
        bench.servers.product(legacy, bucket, objects, endpoint) as product,
    ):
        database = bench.servers.postgres.dsn(product.database)
        child = _script(bench, endpoint, legacy, bucket, do="one_by_one", database=database, sample=sample)
        return sample, run_children([child], bench.patience(objects))


def _script(bench: Bench, endpoint: str, source: str, bucket: str, **job: Any) -> Child:
    return bench.servers.client("scripts", endpoint=endpoint, source=source, bucket=bucket, **job)


CONTENDERS: dict[str, Measure] = {
    OURS: partial(_ours, 1),
    OURS_TWICE: partial(_ours, 2),
    **{name: partial(_tool, name) for name in peers.COMMANDS},
    THREADS: _threads,
    LIMIT: partial(_limit, False),
    LIMIT_CONDITIONAL: partial(_limit, True),
}
