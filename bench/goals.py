"""The figures to reach, each beside what was measured. A figure that no part has measured yet is shown as such."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.copying import ONE_BY_ONE, OURS, S5CMD, THREADS
from bench.moving import NOTHING
from bench.results import Figure, Results

MIB = 2**20


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
    yield from _copying(found)
    yield from _moving(found)
    yield from _switching(found)
    yield from _listing(found)
    yield from _bounds(found)


def _copying(found: Results) -> Iterator[Goal]:
    ours, s5cmd, threads = (f"copy/near/{name}" for name in (OURS, S5CMD, THREADS))
    yield Goal(
        "copy stage, objects/s against s5cmd cp (64 workers)",
        1.0,
        found.ratio(f"{ours}/rate", f"{s5cmd}/rate"),
        at_least=True,
    )
    yield Goal("client CPU per copied object, against s5cmd", 1.0, found.ratio(f"{ours}/cpu", f"{s5cmd}/cpu"))
    yield Goal("the same, against 32 threads of boto3", 0.3, found.ratio(f"{ours}/cpu", f"{threads}/cpu"))


def _moving(found: Results) -> Iterator[Goal]:
    objects = found.option("move", "objects")
    for place, limit, where in (("near", 5.0, ""), ("far", 30.0, ", 20 ms added to each request")):
        rates = f"move/{place}/{objects}/rate", f"move/{place}/{ONE_BY_ONE}/rate"
        yield Goal(
            f"whole move of {_many(objects)} objects, times as fast as one by one{where}",
            limit,
            found.ratio(*rates),
            at_least=True,
        )
    yield Goal("S3 requests per moved object, all steps", 1.01, found.figure(f"move/near/{objects}/requests"), "")
    for what in NOTHING:
        yield Goal(
            f"second run over finished work: {what.replace('_', ' ')}", 0, found.figure(f"move/again/{what}"), ""
        )


def _switching(found: Results) -> Iterator[Goal]:
    """Of part `switching`: ratios and seconds, with and without an index on the column."""
    for index in ("without an index", "indexed"):
        yield Goal(
            f"switching all rows, path {index}, time against one plain UPDATE",
            2.0,
            found.figure(f"switching/{index}/ratio"),
        )
        yield Goal("the same: longest transaction", 1.0, found.figure(f"switching/{index}/longest"), " s")


def _listing(found: Results) -> Iterator[Goal]:
    near = "listing/near"
    yield Goal(
        "listing: keys/s received and in the ledger, one process",
        50_000,
        found.figure(f"{near}/ours/rate"),
        "",
        at_least=True,
    )
    yield Goal(
        "listing of a real server, received, against the mere receipt of the same pages one after the other",
        0.7,
        found.ratio("listing/real/lanes/rate", "listing/real/receipt/rate"),
        at_least=True,
    )
    for place, added in (("far", 20), ("farthest", 200)):
        yield Goal(
            f"listing, {added} ms added to each request: received, against one page after the other",
            8.0,
            found.ratio(f"listing/{place}/lanes/rate", f"listing/{place}/receipt/rate"),
            at_least=True,
        )


def _bounds(found: Results) -> Iterator[Goal]:
    objects, keys = found.option("move", "objects"), found.option("listing", "keys")
    steps = [name for name in found.samples if name.startswith(f"move/near/{objects}/rss/")]
    mib: Callable[[Figure | None], Figure | None] = lambda figure: (  # noqa: E731
        Figure(figure.median / MIB, figure.least / MIB, figure.most / MIB) if figure else None
    )
    yield Goal(f"peak memory of any step, {_many(objects)} objects", 300, mib(found.highest(*steps)), " MiB")
    yield Goal(
        f"peak memory of list_legacy, {_many(keys)} keys", 300, found.figure("listing/near/ours/rss", 1 / MIB), " MiB"
    )
    yield Goal("peak memory of any step, 10,000,000 objects", 300, found.figure("scale/rss", 1 / MIB), " MiB")
    yield Goal("XCom of a run, 100,000,000 objects", 64, found.figure("scale/xcom_bytes", 1 / 1024), " KiB")
    yield Goal("task instances of a run, 100,000,000 objects", 2_500, found.figure("scale/task_instances"), "")
    yield Goal(
        "ledger, bytes an object at the end, indexes included",
        500,
        found.figure(f"move/near/{objects}/ledger_bytes"),
        "",
    )


def _many(number: int) -> str:
    """The number, `N` where nothing was measured yet."""
    return f"{number:,}" if number else "N"
