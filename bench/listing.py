"""Listing a bucket of a million keys into the ledger, against the mere receipt of the same pages.

The bucket is one of arithmetic: no real server here answers fast enough to be the measure of a lister.
"""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from bench.bench import PLACES, Bench
from bench.processes import run_children
from bench.servers import KEPT
from devstack.errors import LocalError
from devstack.ports import HOST

# Milliseconds added to each request; so far away a listing lives by what is asked for at once, not by this machine.
FARTHEST = {**PLACES, "farthest": 200.0}


def measure(bench: Bench) -> None:
    """Ours, and one page after the other, by distance; then of a real server, which is what makes the pages."""
    for place, delay in FARTHEST.items():
        keys, patience = bench.options.keys, _patience(bench)
        with bench.servers.served("arithmetic_store", patience, keys=keys, milliseconds=delay) as port:
            for number in range(1, bench.options.runs + 1):
                bench.say(f"listing, {place}, round {number} of {bench.options.runs}")
                for how in ("raw", "receipt", "boto3", "lanes") if place == "near" else ("receipt", "lanes"):
                    _plain(bench, place, keys, how=how, bucket="legacy-any", port=port)
                if place != "farthest":
                    _ours(bench, place, port)
    real = {"bucket": KEPT, "port": bench.servers.s3.port}
    for number in range(1, bench.options.runs + 1):
        bench.say(f"listing, the real server, round {number} of {bench.options.runs}")
        for how in ("receipt", "boto3", "lanes"):
            _plain(bench, "real", bench.options.objects, how=how, **real)


def _plain(bench: Bench, place: str, keys: int, **job: Any) -> None:
    endpoint = f"http://{HOST}:{job['port']}"
    usage = run_children([bench.servers.client("plain_listing", endpoint=endpoint, **job)], _patience(bench))
    if usage.answer["keys"] != keys:
        raise LocalError(f"listing ({job['how']}): {usage.answer['keys']} keys of {keys}")
    bench.say(f"  {job['how']:<20} {keys / usage.seconds:10,.0f} keys/s")
    bench.record(f"listing/{place}/{job['how']}", rate=keys / usage.seconds, cpu=usage.cpu / keys * 1e6)


def _ours(bench: Bench, place: str, port: int) -> None:
    """take_listing from its start to its end; the receipt of it, from legacy's first request to its last answer."""
    keys = bench.options.keys
    with (
        bench.servers.bucket("legacy") as legacy,
        bench.servers.bucket("production") as production,
        # The check, whose canaries that store does not know, is made against the real server.
        bench.servers.product(legacy, production, keys, bench.servers.s3.endpoint_url, **bench.fields()) as product,
    ):
        run_children([bench.ours(product, "bench", "check")], _patience(bench))
        made_up = bench.servers.connections(product.database, f"http://{HOST}:{port}")
        _seen(port)
        usage = run_children([bench.ours(product, "bench", "list_checked", made_up)], _patience(bench))
        seen = _seen(port)
        listed = bench.servers.number(product, "SELECT count(*) FROM s3_migration.ledger")
    if listed != keys:
        raise LocalError(f"listing: {listed} of {keys} keys in the ledger")
    receipt = seen[legacy]["last"] - seen[legacy]["first"]
    requests = sum(each["requests"] for each in seen.values())
    rate, received = keys / usage.seconds, keys / max(receipt, 1e-6)
    bench.say(
        f"  {'ours':<20} {rate:10,.0f} keys/s in the ledger, received at {received:,.0f} keys/s, "
        f"{requests} requests, {usage.rss / 2**20:.0f} MiB"
    )
    bench.record(
        f"listing/{place}/ours",
        rate=rate,
        received=received,
        requests=requests,
        cpu=usage.cpu / keys * 1e6,
        rss=usage.rss,
    )


def _seen(port: int) -> dict[str, Any]:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"http://{HOST}:{port}/-/seen", timeout=30) as answer:
        return dict(json.load(answer))


def _patience(bench: Bench) -> float:
    return 120 + bench.options.keys / 1000
