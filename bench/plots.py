"""Draw the plots of docs/performance.md with the Python of .venv-bench: plots.py <results.json> <directory>."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

COLOURS = {"ours": "#1f6fb4", "limit": "#e0e4e8", "": "#9aa5b1"}  # by how a name begins
PLACES = {"near": "as it is", "far": "20 ms added to each request"}


def of(samples: dict[str, list[float]], part: str, what: str) -> dict[str, list[float]]:
    """The samples of one figure, by what stands between part and figure in their names."""
    names = {name: name.removeprefix(part).removesuffix(what) for name in samples}
    return {middle: samples[name] for name, middle in names.items() if name == f"{part}{middle}{what}"}


def draw_copies(samples: dict[str, list[float]]) -> bool:
    """Objects/s of each contender, one panel for each place; the whiskers go from min to max."""
    _, axes = pyplot.subplots(1, len(PLACES), figsize=(11.2, 4.4), sharey=True)
    for axis, (place, where) in zip(axes, PLACES.items(), strict=True):
        rates = dict(reversed(of(samples, f"copy/{place}/", "/rate").items()))
        if not rates:
            return False
        for name, values in rates.items():
            middle, colour = median(values), next(COLOURS[start] for start in COLOURS if name.startswith(start))
            whiskers = [[middle - min(values)], [max(values) - middle]]
            axis.barh(name, middle, xerr=whiskers, color=colour, error_kw={"elinewidth": 1, "ecolor": "#444444"})
            axis.annotate(f" {middle:,.0f}", (max(values), name), va="center", fontsize=9)
        axis.set_xlim(0, 1.2 * max(map(max, rates.values())))
        axis.set_title(where, fontsize=11)
        axis.set_xlabel("objects/s")
        axis.spines[["top", "right"]].set_visible(False)
    pyplot.suptitle("Copy stage: objects per second")
    return True


def draw_moves(samples: dict[str, list[float]]) -> bool:
    """Seconds of the whole move against the number of objects; a point for each round, the line through the medians."""
    found = of(samples, "move/near/", "/seconds")
    seconds = {int(size): found[size] for size in sorted(filter(str.isdecimal, found), key=int)}
    if len(seconds) < 2:
        return False
    _, axis = pyplot.subplots(figsize=(6.4, 4.2))
    most, middles = max(seconds), [median(values) for values in seconds.values()]
    axis.plot([0, most], [0, middles[-1]], color=COLOURS[""], linestyle=":", label="a straight line through 0")
    axis.plot(list(seconds), middles, color=COLOURS["ours"], marker="o", label="ours, medians")
    for size, values in seconds.items():
        axis.scatter([size] * len(values), values, color=COLOURS["ours"], s=12, alpha=0.4)
    single = median(found["one by one"])
    axis.plot([0, most], [0, single], color="#c0504d", linestyle="--", label="one by one, from a sample")
    axis.set_xlim(0, most * 1.05)
    # One by one may leave the picture: the line to look at is ours.
    axis.set_ylim(0, 2.5 * max(middles))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.set_xlabel("objects")
    axis.set_ylabel("seconds")
    axis.set_title("Whole move, list to reconcile: time against N")
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    return True


DRAWN: dict[str, Callable[[dict[str, list[float]]], bool]] = {"copy": draw_copies, "move": draw_moves}

if __name__ == "__main__":
    known = json.loads(Path(sys.argv[1]).read_text())["samples"]
    for part, draw in DRAWN.items():
        if draw(known):
            pyplot.tight_layout()
            pyplot.savefig(Path(sys.argv[2]) / f"performance-{part}.png", dpi=110)
