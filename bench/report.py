"""The figures as tables and plots, for the terminal and for docs/performance.md."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bench import peers
from bench.copying import CONTENDERS, OURS
from bench.goals import goals
from bench.moving import ONE_BY_ONE, STEPS
from bench.results import Figure, Results, number
from bench.workers import SLOTS, WORKERS
from devstack.environment import environment
from devstack.errors import LocalError

BEGIN, END = "<!-- written by make bench WRITE=1 -->", "<!-- up to here -->"
PLOTS = {
    "performance-copy.png": "Copy stage: objects per second of each contender",
    "performance-move.png": "Whole move: time against the number of objects",
}
WHERE = {"near": "as it is", "far": "20 ms added to each request"}
WHERE_LISTED = {**WHERE, "farthest": "200 ms added to each request", "real": "of the real server"}
LISTERS = {
    "ours": "ours, in the ledger",
    "lanes": "ours, received",
    "receipt": "one page after the other, received with our client",
    "boto3": "one page after the other, boto3",
    "raw": "one page after the other, dropped by a bare socket",
}


def text(found: Results) -> str:
    """All tables, as Markdown: those of the goals, and of each part that was measured."""
    parts = [_measured_on(found), "### Figures to reach", _table(_goals(found))]
    for part, tables in (("copy", _copies), ("move", _moves), ("listing", _listings), ("workers", _workers)):
        if part in found.parts:
            parts += tables(found)
    for part in sorted(found.parts.keys() & {"nights", "orders", "scale", "spelling", "switching"}):
        parts += [f"### {part.capitalize()}", _table(_all(found, part))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _measured_on(found: Results) -> str:
    """One paragraph for each machine that a part was measured on."""
    machines: dict[str, list[str]] = {}
    for part, known in found.parts.items():
        described = "; ".join(known["machine"].values())
        machines.setdefault(described, []).append(f"{part} ({known['options']['runs']} rounds, {known['at']})")
    return "\n\n".join(f"Measured: {', '.join(parts)}, on {described}." for described, parts in machines.items())


def _goals(found: Results) -> Iterator[Sequence[str]]:
    yield "what", "goal", "median", "min to max", "met"
    for goal in goals(found):
        limit = f"{'≥' if goal.at_least else '≤'} {number(goal.limit)}{goal.unit}"
        yield goal.what, limit, *_spread(goal.figure, goal.unit), {True: "yes", False: "**no**", None: ""}[goal.met]


def _copies(found: Results) -> Iterator[str]:
    for place, where in WHERE.items():
        yield f"### Copy stage, {found.option('copy', 'objects'):,} objects, {where}"
        rows: list[Sequence[str]] = [
            ("who", "objects/s", "min to max", "ours is", "CPU ms an object", "min to max", "peak MiB")
        ]
        for name in CONTENDERS:
            key = f"copy/{place}/{name}"
            rate, cpu = (_spread(found.figure(f"{key}/{each}")) for each in ("rate", "cpu"))
            times = _median(found.ratio(f"copy/{place}/{OURS}/rate", f"{key}/rate"), "×")
            rows.append((name, *rate, times, *cpu, _peak(found, key)))
        yield _table(rows)


def _moves(found: Results) -> Iterator[str]:
    yield "### Whole move"
    rows: list[Sequence[str]] = [
        ("what", "seconds", "min to max", "objects/s", "CPU ms an object", "S3 requests an object")
    ]
    objects = found.option("move", "objects")
    names = [name.split("/") for name in found.samples if name.startswith("move/near/")]
    sizes = sorted({int(parts[2]) for parts in names if parts[2].isdecimal()})
    for what, key in [
        *((f"{size:,} objects", f"near/{size}") for size in sizes),
        (f"{objects:,} objects, 20 ms", f"far/{objects}"),
        ("one by one (from a sample)", f"near/{ONE_BY_ONE}"),
        ("one by one, 20 ms (from a sample)", f"far/{ONE_BY_ONE}"),
    ]:
        singles = (_median(found.figure(f"move/{key}/{each}")) for each in ("rate", "cpu", "requests"))
        rows.append((what, *_spread(found.figure(f"move/{key}/seconds")), *singles))
    seconds, requests = (found.figure(f"move/again/{each}") for each in ("seconds", "requests"))
    rows.append(("second run over finished work", *_spread(seconds), "", "", _median(requests, " in all")))
    yield _table(rows)
    steps: list[Sequence[str]] = [("seconds of each step", *STEPS)]
    for place, where in WHERE.items():
        figures = (found.figure(f"move/{place}/{objects}/seconds/{step}") for step in STEPS)
        steps.append((f"{objects:,} objects, {where}", *map(_median, figures)))
    yield _table(steps)


def _listings(found: Results) -> Iterator[str]:
    yield f"### Listing {found.option('listing', 'keys'):,} keys"
    rows: list[Sequence[str]] = [("who", "keys/s", "min to max", "CPU µs a key", "peak MiB")]
    for place, where in WHERE_LISTED.items():
        for who, what in LISTERS.items():
            key = f"listing/{place}/{who}"
            if rate := found.figure(f"{key}/rate"):
                cpu = _median(found.figure(f"{key}/cpu"))
                rows.append((f"{what}, {where}", *_spread(rate), cpu, _peak(found, key)))
    yield _table(rows)


def _workers(found: Results) -> Iterator[str]:
    yield f"### By workers, {found.option('workers', 'objects'):,} objects"
    rows: list[Sequence[str]] = [
        ("workers", "slots", "copies/s", "min to max", "against one", "whole run, s", "min to max", "objects/s")
    ]
    for place, where in WHERE.items():
        for workers in WORKERS:
            key = f"workers/{place}/{workers}"
            copies, seconds = (_spread(found.figure(f"{key}/{each}")) for each in ("copy", "seconds"))
            times = _median(found.ratio(f"{key}/copy", f"workers/{place}/1/copy"), "×")
            rate = _median(found.figure(f"{key}/rate"))
            rows.append((f"{workers}, {where}", str(workers * SLOTS), *copies, times, *seconds, rate))
    yield _table(rows)


def _all(found: Results, part: str) -> Iterator[Sequence[str]]:
    yield "what", "median", "min to max"
    for name in found.samples:
        if name.startswith(f"{part}/"):
            yield name.partition("/")[2].replace("/", ", "), *_spread(found.figure(name))


def _table(rows: Iterable[Sequence[str]]) -> str:
    head, *others = rows
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] + ["---:"] * (len(head) - 1), *others])


def _spread(figure: Figure | None, unit: str = "") -> tuple[str, str]:
    if figure is None:
        return "not measured", ""
    return _median(figure, unit), f"{number(figure.least)} to {number(figure.most)}"


def _median(figure: Figure | None, unit: str = "") -> str:
    return f"{number(figure.median)}{unit}" if figure else ""


def _peak(found: Results, key: str) -> str:
    """MiB, at most in any round."""
    peak = found.figure(f"{key}/rss", 1 / 2**20)
    return number(peak.most) if peak else ""


def write(results: Path, docs: Path) -> None:
    """The generated section of docs/performance.md, and the plots beside it, drawn in the venv that has matplotlib."""
    command = [peers.VENV / "bin" / "python", Path(__file__).with_name("plots.py"), results, docs]
    settings = {**environment(), "MPLCONFIGDIR": str(peers.VENV)}
    done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise LocalError(f"the plots failed:\n{done.stderr[-2000:]}")
    page = docs / "performance.md"
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise LocalError(f"{page} has no place for the figures: the lines {BEGIN} and {END}")
    plots = "".join(f"\n![{what}]({name})\n" for name, what in PLOTS.items() if (docs / name).exists())
    page.write_text(f"{before}{BEGIN}\n\n{text(Results.read(results))}{plots}\n{END}{after}", encoding="utf-8")
