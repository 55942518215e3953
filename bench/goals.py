"""The figures to reach, each beside what was measured. A figure that no part has measured yet is shown as such."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from bench.copying import ONE_BY_ONE, OURS, S5CMD, THREADS
from bench.moving import NOTHING
from bench.results import Figure, Results

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


at_most, at_least = Goal, partial(Goal, at_least=True)


def goals(found: Results) -> Iterator[Goal]:
    figure, ratio = found.figure, found.ratio
    ours, s5cmd, threads = (f"copy/near/{name}" for name in (OURS, S5CMD, THREADS))
    rate = ratio(f"{ours}/rate", f"{s5cmd}/rate")
    yield at_least("copy stage, objects/s against s5cmd cp (64 workers)", 1.0, rate)
    yield at_most("client CPU per copied object, against s5cmd", 1.0, ratio(f"{ours}/cpu", f"{s5cmd}/cpu"))
    yield at_most("the same, against 32 threads of boto3", 0.3, ratio(f"{ours}/cpu", f"{threads}/cpu"))

    objects, keys = found.option("move", "objects"), found.option("listing", "keys")
    faster = f"whole move of {_many(objects)} objects, times as fast as one by one"
    for place, limit, where in (("near", 5.0, ""), ("far", 30.0, ", 20 ms added to each request")):
        rate = ratio(f"move/{place}/{objects}/rate", f"move/{place}/{ONE_BY_ONE}/rate")
        yield at_least(f"{faster}{where}", limit, rate)
    yield at_most("S3 requests per moved object, all steps", 1.01, figure(f"move/near/{objects}/requests"), "")
    for what in NOTHING:
        again = figure(f"move/again/{what}")
        yield at_most(f"second run over finished work: {what.replace('_', ' ')}", 0, again, "")

    for index in ("without an index", "indexed"):
        plain = f"switching all rows, path {index}, time against one plain UPDATE"
        yield at_most(plain, 2.0, figure(f"switching/{index}/ratio"))
        yield at_most("the same: longest transaction", 1.0, figure(f"switching/{index}/longest"), " s")

    rate = figure("listing/near/ours/rate")
    yield at_least("listing: keys/s received and in the ledger, one process", 50_000, rate, "")
    receipt = "listing of a real server, received, against the mere receipt of the same pages one after the other"
    yield at_least(receipt, 0.7, ratio("listing/real/lanes/rate", "listing/real/receipt/rate"))
    for place, added in (("far", 20), ("farthest", 200)):
        rate = ratio(f"listing/{place}/lanes/rate", f"listing/{place}/receipt/rate")
        added_to = f"listing, {added} ms added to each request: received, against one page after the other"
        yield at_least(added_to, 8.0, rate)

    steps = [name for name in found.samples if name.startswith(f"move/near/{objects}/rss/")]
    yield at_most(f"peak memory of any step, {_many(objects)} objects", 300, found.highest(*steps, factor=MIB), " MiB")
    listing = figure("listing/near/ours/rss", MIB)
    yield at_most(f"peak memory of list_legacy, {_many(keys)} keys", 300, listing, " MiB")
    yield at_most("peak memory of any step, 10,000,000 objects", 300, figure("scale/rss", MIB), " MiB")
    yield at_most("XCom of a run, 100,000,000 objects", 64, figure("scale/xcom_bytes", KIB), " KiB")
    yield at_most("task instances of a run, 100,000,000 objects", 2_500, figure("scale/task_instances"), "")
    ledger = figure(f"move/near/{objects}/ledger_bytes")
    yield at_most("ledger, bytes an object at the end, indexes included", 500, ledger, "")


def _many(number: int) -> str:
    """The number, `N` where nothing was measured yet."""
    return f"{number:,}" if number else "N"
