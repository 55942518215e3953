"""Draw the plots; run by report.py with the Python of .venv-bench: plots.py <what, as JSON> <directory>."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

_OURS, _OTHERS, _LIMIT = "#1f6fb4", "#9aa5b1", "#e0e4e8"


def draw_bars(drawn: dict[str, Any], path: Path) -> None:
    """Objects/s of each contender, one panel for each place; the whiskers go from min to max."""
    panels = drawn["bars"]
    figure, axes = pyplot.subplots(1, len(panels), figsize=(5.6 * len(panels), 4.4), squeeze=False, sharey=True)
    for axis, (where, bars) in zip(axes[0], panels.items(), strict=True):
        names = list(reversed(bars))
        middles = [bars[name][0] for name in names]
        errors = [[bars[n][0] - bars[n][1] for n in names], [bars[n][2] - bars[n][0] for n in names]]
        colours = [_colour(name, drawn) for name in names]
        axis.barh(names, middles, xerr=errors, color=colours, error_kw={"elinewidth": 1, "ecolor": "#444444"})
        room = max(bars[name][2] for name in names)
        for place, name in enumerate(names):
            axis.text(bars[name][2] + room * 0.02, place, f"{bars[name][0]:,.0f}", va="center", fontsize=9)
        axis.set_xlim(0, room * 1.2)
        axis.set_title(where, fontsize=11)
        axis.set_xlabel("objects/s")
        _plain(axis)
    figure.suptitle("Copy stage: objects per second")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def draw_line(drawn: dict[str, Any], path: Path) -> None:
    """Seconds of the whole move against the number of objects; a point for each round, the line through the medians."""
    sizes = [int(size) for size in drawn["lines"]]
    middles = [median(values) for values in drawn["lines"].values()]
    figure, axis = pyplot.subplots(figsize=(6.4, 4.2))
    axis.plot([0, sizes[-1]], [0, middles[-1]], color=_OTHERS, linestyle=":", label="a straight line through 0")
    axis.plot(sizes, middles, color=_OURS, marker="o", label="ours, medians")
    for size, values in zip(sizes, drawn["lines"].values(), strict=True):
        axis.scatter([size] * len(values), values, color=_OURS, s=12, alpha=0.4)
    if drawn["one_by_one"]:
        rate = median(drawn["one_by_one"])
        axis.plot(
            [0, sizes[-1]], [0, sizes[-1] / rate], color="#c0504d", linestyle="--", label="one by one, from a sample"
        )
    axis.set_xlim(0, sizes[-1] * 1.05)
    # One by one may leave the picture: the line to look at is ours.
    axis.set_ylim(0, 2.5 * max(middles))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axis.set_xlabel("objects")
    axis.set_ylabel("seconds")
    axis.set_title("Whole move, list to reconcile: time against N")
    axis.legend(frameon=False)
    _plain(axis)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _colour(name: str, drawn: dict[str, Any]) -> str:
    if name in drawn["limits"]:
        return _LIMIT
    return _OURS if name.startswith(drawn["ours"]) else _OTHERS


def _plain(axis: Any) -> None:
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def main() -> None:
    drawn, directory = json.loads(sys.argv[1]), Path(sys.argv[2])
    if drawn["bars"]:
        draw_bars(drawn, directory / "performance-copy.png")
    if len(drawn["lines"]) > 1:
        draw_line(drawn, directory / "performance-move.png")


if __name__ == "__main__":
    main()
