"""The figures as tables and plots, for the terminal and for docs/performance.md."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import peers
from bench.bench import PLACES
from bench.copying import CONTENDERS, LIMIT, LIMIT_CONDITIONAL, ONE_BY_ONE, OURS
from bench.goals import Goal, goals
from bench.results import Figure, Results
from bench.workers import SLOTS, WORKERS
from devstack.environment import environment
from devstack.errors import LocalError

BEGIN, END = "<!-- written by make bench WRITE=1 -->", "<!-- up to here -->"
PLOTS = {
    "performance-copy.png": "Copy stage: objects per second of each contender",
    "performance-move.png": "Whole move: time against the number of objects",
}
WHERE = {"near": "as it is", "far": "20 ms added to each request"}
_STEPS = ("list", "copy", "switch", "verify", "gate", "delete", "reconcile")


def text(found: Results) -> str:
    """All tables, as Markdown."""
    parts = [_measured_on(found), "### Figures to reach", *_table(_goal_rows(found))]
    for place, where in WHERE.items():
        if any(name.startswith(f"copy/{place}/") for name in found.samples):
            objects = found.option("copy", "objects")
            parts += [f"### Copy stage, {objects:,} objects, {where}", *_table(_copy_rows(found, place))]
    if "move" in found.parts:
        parts += ["### Whole move", *_table(_move_rows(found)), *_table(_step_rows(found))]
    if "listing" in found.parts:
        parts += [f"### Listing {found.option('listing', 'keys'):,} keys", *_table(_listing_rows(found))]
    if "workers" in found.parts:
        objects = found.option("workers", "objects")
        parts += [f"### By workers, {objects:,} objects", *_table(_worker_rows(found))]
    for part in sorted(found.parts.keys() - {"copy", "move", "listing", "workers"}):
        parts += [f"### {part.capitalize()}", *_table(_all_rows(found, part))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _measured_on(found: Results) -> str:
    """One paragraph for each machine that a part was measured on."""
    machines: dict[str, list[str]] = {}
    for part, known in found.parts.items():
        described = "; ".join(known["machine"].values())
        machines.setdefault(described, []).append(f"{part} ({known['options']['runs']} rounds, {known['at']})")
    return "\n\n".join(f"Measured: {', '.join(parts)}, on {described}." for described, parts in machines.items())


def _goal_rows(found: Results) -> Iterator[Sequence[str]]:
    yield "what", "goal", "median", "min to max", "met"
    for goal in goals(found):
        yield (
            goal.what,
            _limit(goal),
            *_figure(goal.figure, goal.unit),
            {True: "yes", False: "**no**", None: ""}[goal.met],
        )


def _limit(goal: Goal) -> str:
    return f"{'≥' if goal.at_least else '≤'} {_number(goal.limit)}{goal.unit}"


def _copy_rows(found: Results, place: str) -> Iterator[Sequence[str]]:
    yield "who", "objects/s", "min to max", "ours is", "CPU ms an object", "min to max", "peak MiB"
    for name in CONTENDERS:
        key = f"copy/{place}/{name}"
        times = found.ratio(f"copy/{place}/{OURS}/rate", f"{key}/rate")
        rate, cpu = _figure(found.figure(f"{key}/rate")), _figure(found.figure(f"{key}/cpu"))
        yield name, *rate, _median(times, "×"), *cpu, _peak(found, key)


def _sizes(found: Results) -> list[int]:
    """The numbers of objects that were moved."""
    names = [name.split("/") for name in found.samples if name.startswith("move/near/")]
    return sorted({int(parts[2]) for parts in names if parts[2].isdecimal()})


def _move_rows(found: Results) -> Iterator[Sequence[str]]:
    yield "what", "seconds", "min to max", "objects/s", "CPU ms an object", "S3 requests an object"
    objects = found.option("move", "objects")
    runs = [(f"{size:,} objects", f"move/near/{size}") for size in _sizes(found)]
    runs += [(f"{objects:,} objects, 20 ms", f"move/far/{objects}")]
    for place in PLACES:
        runs.append((f"one by one{', 20 ms' if place == 'far' else ''} (from a sample)", f"move/{place}/{ONE_BY_ONE}"))
    for what, key in runs:
        singles = (_median(found.figure(f"{key}/{each}")) for each in ("rate", "cpu", "requests"))
        yield what, *_figure(found.figure(f"{key}/seconds")), *singles
    seconds, requests = (found.figure(f"move/again/{each}") for each in ("seconds", "requests"))
    yield "second run over finished work", *_figure(seconds), "", "", _median(requests, " in all")


def _step_rows(found: Results) -> Iterator[Sequence[str]]:
    yield "seconds of each step", *_STEPS
    objects = found.option("move", "objects")
    for place, where in WHERE.items():
        figures = [found.figure(f"move/{place}/{objects}/seconds/{step}") for step in _STEPS]
        yield f"{objects:,} objects, {where}", *map(_median, figures)


def _listing_rows(found: Results) -> Iterator[Sequence[str]]:
    yield "who", "keys/s", "min to max", "CPU µs a key", "peak MiB"
    kinds = {
        "ours, in the ledger": "ours",
        "ours, received": "lanes",
        "one page after the other, received with our client": "receipt",
        "one page after the other, boto3": "boto3",
        "one page after the other, dropped by a bare socket": "raw",
    }
    for place, where in {**WHERE, "farthest": "200 ms added to each request", "real": "of the real server"}.items():
        for what, who in kinds.items():
            key = f"listing/{place}/{who}"
            if rate := found.figure(f"{key}/rate"):
                yield f"{what}, {where}", *_figure(rate), _median(found.figure(f"{key}/cpu")), _peak(found, key)


def _worker_rows(found: Results) -> Iterator[Sequence[str]]:
    yield "workers", "slots", "copies/s", "min to max", "against one", "whole run, s", "min to max", "objects/s"
    for place, where in WHERE.items():
        for workers in WORKERS:
            key = f"workers/{place}/{workers}"
            copies, seconds = (_figure(found.figure(f"{key}/{each}")) for each in ("copy", "seconds"))
            times = _median(found.ratio(f"{key}/copy", f"workers/{place}/1/copy"), "×")
            rate = _median(found.figure(f"{key}/rate"))
            yield f"{workers}, {where}", str(workers * SLOTS), *copies, times, *seconds, rate


def _all_rows(found: Results, part: str) -> Iterator[Sequence[str]]:
    yield "what", "median", "min to max"
    for name in found.samples:
        if name.startswith(f"{part}/"):
            yield name.partition("/")[2].replace("/", ", "), *_figure(found.figure(name))


def _table(rows: Iterator[Sequence[str]]) -> list[str]:
    head, *others = list(rows)
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *others]
    return ["\n".join(f"| {' | '.join(line)} |" for line in lines)]


def _figure(figure: Figure | None, unit: str = "") -> tuple[str, str]:
    if figure is None:
        return "not measured", ""
    return f"{_number(figure.median)}{unit}", f"{_number(figure.least)} to {_number(figure.most)}"


def _median(figure: Figure | None, unit: str = "") -> str:
    return f"{_number(figure.median)}{unit}" if figure else ""


def _peak(found: Results, key: str) -> str:
    """MiB, at most in any round."""
    peak = found.figure(f"{key}/rss", 1 / 2**20)
    return _number(peak.most) if peak else ""


def _number(value: float) -> str:
    """Three digits that count."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}" if abs(value) < 0.1 else f"{value:.2f}"


# -- plots and docs -----------------------------------------------------------------------------------------------


def plot(found: Results, directory: Path) -> None:
    """Draw what there is to draw, in the venv that has matplotlib."""
    script = Path(__file__).with_name("plots.py")
    bars = {
        WHERE[place]: {
            name: [figure.median, figure.least, figure.most]
            for name in CONTENDERS
            if (figure := found.figure(f"copy/{place}/{name}/rate"))
        }
        for place in PLACES
    }
    lines = {size: found.samples[f"move/near/{size}/seconds"] for size in _sizes(found)}
    drawn = {
        "bars": {where: of for where, of in bars.items() if of},
        "ours": OURS,
        "limits": [LIMIT, LIMIT_CONDITIONAL],
        "lines": {str(size): values for size, values in lines.items()},
        "one_by_one": found.samples.get(f"move/near/{ONE_BY_ONE}/rate", []),
    }
    python = peers.VENV / "bin" / "python"
    settings = {**environment(), "MPLCONFIGDIR": str(peers.VENV)}
    command = [str(python), str(script), json.dumps(drawn), str(directory)]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise LocalError(f"the plots failed:\n{done.stderr[-2000:]}")


def write(found: Results, docs: Path) -> None:
    """The generated section of docs/performance.md, and the plots beside it."""
    plot(found, docs)
    page = docs / "performance.md"
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise LocalError(f"{page} has no place for the figures: the lines {BEGIN} and {END}")
    plots = "".join(f"\n![{what}]({name})\n" for name, what in PLOTS.items() if (docs / name).exists())
    page.write_text(f"{before}{BEGIN}\n\n{text(found)}{plots}\n{END}{after}", encoding="utf-8")
