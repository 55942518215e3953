"""The copy stage alone: ours and everybody else, on one server, production empty at the start of each measurement."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bench import peers
from bench.bench import PLACES, Bench
from bench.processes import Usage, run_together
from devstack.errors import LocalError

OURS, OURS_TWICE = "ours", "ours, 2 processes"
S5CMD, THREADS = "s5cmd", "boto3, 32 threads"
LIMIT, LIMIT_CONDITIONAL = "limit of the server", "limit, conditional"


def measure(bench: Bench) -> None:
    """Every contender in every round, near and far."""
    objects, servers = bench.options.objects, bench.servers
    for place, delay in PLACES.items():
        with servers.bucket("legacy", objects) as source, servers.far_away(delay) as endpoint:
            _measure(bench, OURS, endpoint, source)  # whoever comes first finds a cold server
            for order in bench.rounds(f"copy, {place}", CONTENDERS):
                for contender in order:
                    used = _measure(bench, contender, endpoint, source)
                    rate, cpu = objects / used.seconds, used.cpu / objects * 1000
                    bench.record(f"copy/{place}/{contender}", rate=rate, cpu=cpu, rss=used.rss)


def _measure(bench: Bench, contender: str, endpoint: str, source: str) -> Usage:
    with bench.servers.bucket("production") as bucket:
        used = CONTENDERS[contender](bench, endpoint, source, bucket)
        pages = bench.servers.s3.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="avatar/")
        made = sum(page["KeyCount"] for page in pages)
    if made != bench.options.objects:
        raise LocalError(f"{contender} made {made} copies of {bench.options.objects}")
    return used


def _ours(processes: int, bench: Bench, endpoint: str, source: str, bucket: str) -> Usage:
    """copy_chunk of all chunks, as mapped tasks in so many processes; check and listing come before, unmeasured."""
    objects = bench.options.objects
    chunk_size = min(10_000, -(-objects // processes))
    with bench.servers.product(source, bucket, objects, endpoint, chunk_size=chunk_size) as product:
        with bench.ours(product, "bench") as lister:
            chunks = lister.ask(steps=["check", "list"]).answer["list"]
        jobs = [{"steps": ["copy"], "chunks": chunks[first::processes]} for first in range(processes)]
        return run_together([(bench.ours(product, "bench"), job) for job in jobs])


def _tool(name: str, bench: Bench, endpoint: str, source: str, bucket: str) -> Usage:
    command = peers.command(name, endpoint=endpoint, source=source, bucket=bucket)
    with bench.child("processes.tool", bench.servers.environment(endpoint), command=command) as tool:
        return tool.ask()


def _limit(conditional: bool, bench: Bench, endpoint: str, source: str, bucket: str) -> Usage:
    # A long way off it takes more of them to keep the server busy.
    connections = 64 if endpoint == bench.servers.s3.endpoint_url else 256
    how = {"conditional": conditional, "connections": connections}
    return bench.take("peers.load", endpoint, source=source, bucket=bucket, **how)


def _threads(bench: Bench, endpoint: str, source: str, bucket: str) -> Usage:
    return bench.take("peers.copy_in_threads", endpoint, source=source, bucket=bucket)


# Of the endpoint, the bucket with the objects and the one to copy them to.
CONTENDERS: dict[str, Callable[[Bench, str, str, str], Usage]] = {
    OURS: partial(_ours, 1),
    OURS_TWICE: partial(_ours, 2),
    **{name: partial(_tool, name) for name in peers.COMMANDS},
    THREADS: _threads,
    LIMIT: partial(_limit, False),
    LIMIT_CONDITIONAL: partial(_limit, True),
}
