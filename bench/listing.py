"""Listing a bucket of a million keys into the ledger, against the mere receipt of the same pages.

The bucket is one of arithmetic: no real server here answers fast enough to be the measure of a lister.
"""

from __future__ import annotations

from bench.bench import PLACES, Bench
from bench.servers import number
from devstack.errors import LocalError

# Milliseconds added to each request; so far away a listing lives by what is asked for at once, not by this machine.
FARTHEST = {**PLACES, "farthest": 200.0}
LISTERS = {
    "raw": "peers.drop",
    "receipt": "ours.receive",
    "boto3": "peers.list_with_boto3",
    "lanes": "ours.list_in_lanes",
}


def measure(bench: Bench) -> None:
    """Ours, and one page after the other, by distance; then of a real server, which is what makes the pages."""
    keys, objects = bench.options.keys, bench.options.objects
    for place, delay in FARTHEST.items():
        with bench.servers.served("arithmetic_store", bench.patience, keys=keys, milliseconds=delay) as endpoint:
            for _ in bench.rounds(f"listing, {place}"):
                for how in ("raw", "receipt", "boto3", "lanes") if place == "near" else ("receipt", "lanes"):
                    _plain(bench, place, keys, how, endpoint, "legacy-any")
                if place != "farthest":
                    _ours(bench, place, endpoint)
    with bench.servers.bucket("legacy", objects) as bucket:
        for _ in bench.rounds("listing, the real server"):
            for how in ("receipt", "boto3", "lanes"):
                _plain(bench, "real", objects, how, bench.servers.s3.endpoint_url, bucket)


def _plain(bench: Bench, place: str, keys: int, how: str, endpoint: str, bucket: str) -> None:
    used = bench.take(LISTERS[how], endpoint, bucket=bucket)
    if used.answer["keys"] != keys:
        raise LocalError(f"listing ({how}): {used.answer['keys']} keys of {keys}")
    bench.record(f"listing/{place}/{how}", rate=keys / used.seconds, cpu=used.cpu / keys * 1e6)


def _ours(bench: Bench, place: str, endpoint: str) -> None:
    """take_listing from its start to its end."""
    keys, servers = bench.options.keys, bench.servers
    with servers.product("legacy-any", "production-any", keys, endpoint) as product:
        with bench.ours(product, "bench") as checker:
            checker.ask(steps=["check"])
        with bench.ours(product, "bench") as ours:
            used = ours.ask(steps=["list"])
        with servers.postgres.connect(product.database) as connection:
            listed = number(connection, "SELECT count(*) FROM s3_migration.ledger")
    if listed != keys:
        raise LocalError(f"listing: {listed} of {keys} keys in the ledger")
    bench.record(f"listing/{place}/ours", rate=keys / used.seconds, cpu=used.cpu / keys * 1e6, rss=used.rss)
