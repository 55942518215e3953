"""The figures to reach, each beside what was measured. A figure that no part has measured yet is shown as such."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.copying import OURS, S5CMD, THREADS
from bench.moving import NOTHING, ONE_BY_ONE
from bench.results import Figure, Results
from bench.switching import INDEXES

KIB, MIB = 1 / 2**10, 1 / 2**20


@dataclass(frozen=True)
class Goal:
    """One line: what, at least or at most how much, and what was measured."""

    what: str
    limit: float
    figure: Figure | None
    unit: str = "×"
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        if self.figure is None:
            return None
        return self.figure.median >= self.limit if self.at_least else self.figure.median <= self.limit


def goals(found: Results) -> Iterator[Goal]:
    figure, ratio = found.figure, found.ratio
    ours, s5cmd, threads = (f"copy/near/{name}" for name in (OURS, S5CMD, THREADS))
    rate = ratio(f"{ours}/rate", f"{s5cmd}/rate")
    yield Goal("copy stage, objects/s against s5cmd cp (64 workers)", 1.0, rate, at_least=True)
    yield Goal("client CPU per copied object, against s5cmd", 1.0, ratio(f"{ours}/cpu", f"{s5cmd}/cpu"))
    yield Goal("the same, against 32 threads of boto3", 0.3, ratio(f"{ours}/cpu", f"{threads}/cpu"))

    objects, keys = found.option("move", "objects"), found.option("listing", "keys")
    for place, limit, where in (("near", 5.0, ""), ("far", 30.0, ", 20 ms added to each request")):
        what = f"whole move of {_many(objects)} objects, times as fast as one by one{where}"
        rate = ratio(f"move/{place}/{objects}/rate", f"move/{place}/{ONE_BY_ONE}/rate")
        yield Goal(what, limit, rate, at_least=True)
    yield Goal("S3 requests per moved object, all steps", 1.01, figure(f"move/near/{objects}/requests"), "")
    for each in NOTHING:
        what = f"second run over finished work: {each.replace('_', ' ')}"
        yield Goal(what, 0, figure(f"move/again/{each}"), "")

    for index in INDEXES:
        what = f"switching all rows, path {index}, time against one plain UPDATE"
        yield Goal(what, 2.0, figure(f"switching/{index}/ratio"))
        yield Goal("the same: longest transaction", 1.0, figure(f"switching/{index}/longest"), " s")

    what = "switching rows whose keys are in random order, ledger not in memory, time against keys in order"
    yield Goal(what, 3.0, figure("orders/random keys/ratio"))

    rate = figure("listing/near/ours/rate")
    yield Goal("listing: keys/s received and in the ledger, one process", 50_000, rate, "", at_least=True)
    what = "listing of a real server, received, against the mere receipt of the same pages one after the other"
    yield Goal(what, 0.7, ratio("listing/real/lanes/rate", "listing/real/receipt/rate"), at_least=True)
    for place, added in (("far", 20), ("farthest", 200)):
        what = f"listing, {added} ms added to each request: received, against one page after the other"
        rate = ratio(f"listing/{place}/lanes/rate", f"listing/{place}/receipt/rate")
        yield Goal(what, 8.0, rate, at_least=True)

    for what, limit, name, factor, unit in (
        ("longest transaction anywhere, at any size", 5, "longest", 1, " s"),
        ("disk beside the ledger at any moment, at any size", 256, "beside_bytes", MIB, " MiB"),
        ("what a SIGKILL makes a step repeat, objects a lane or worker", 20_000, "repeated", 1, ""),
        ("age of the S3 proof when its object is deleted", 60, "proof_age", 1, " s"),
        ("time of list, switch, verify and delete against a tenth of the objects", 11, "ratio", 1, "×"),
        ("S3 requests per moved object, all steps, at any size", 1.01, "requests", 1, ""),
    ):
        yield Goal(what, limit, figure(f"scale/{name}", factor), unit)
    night = found.figure("nights/quiet/database")
    yield Goal("a night over as many finished objects: database at work", 60, night, " s")
    for what, memory in (
        (f"any step, {_many(objects)} objects", f"move/near/{objects}"),
        (f"list_legacy, {_many(keys)} keys", "listing/near/ours"),
        ("any step, at any size", "scale"),
    ):
        yield Goal(f"peak memory of {what}", 300, figure(f"{memory}/rss", MIB), " MiB")
    yield Goal("XCom of a run, 100,000,000 objects", 64, figure("scale/xcom_bytes", KIB), " KiB")
    yield Goal("task instances of a run, 100,000,000 objects", 2_500, figure("scale/task_instances"), "")
    ledger = figure(f"move/near/{objects}/ledger_bytes")
    yield Goal("ledger, bytes an object at the end, indexes included", 500, ledger, "")


def _many(number: int) -> str:
    """The number, `N` where nothing was measured yet."""
    return f"{number:,}" if number else "N"
