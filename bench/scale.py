"""All steps of a run at some sizes: what grows with the number of objects, and what must not.

The real steps with the default settings, each in a process of its own, over HTTP to the store of arithmetic. First
undisturbed; then once more, with each step killed at nine tenths of its work and started again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from bench.bench import Bench
from bench.scaled_run import LANES, LEAST_WORK, STEPS, ScaledRun, scaled_run
from s3_migration.model.chunking import chunk_length
from s3_migration.model.declaration import Declaration

# From so many objects on nine of ten are in production already: their copies would take a day, and show nothing new.
MOSTLY_COPIED = 3_000_000
# Up to so many each step is killed once: a second run takes as long as the first.
KILLED_UP_TO = 1_000_000
# What all that waits for no store's copies takes.
LINEAR = ("list", "switch", "verify", "delete")
# Of what every run has besides its mapped tasks.
SINGLE_TASKS = 7


def measure(bench: Bench) -> dict[int, dict[str, float]]:
    """Answers all figures, by number of objects; the samples are those of the greatest number."""
    figures: dict[int, dict[str, float]] = {}
    sizes = [round(size * 1_000_000) for size in bench.options.sizes]
    for objects in sizes:
        figures[objects] = measure_size(bench, objects)
        bench.say(f"so far, as docs/scale.md has it:\n{table(figures)}")
    # Not all: no large run is killed.
    worst = {name: max(seen) for name in WORST if (seen := [each[name] for each in figures.values() if name in each])}
    ratio = {"ratio": found} if (found := linearity(figures)) else {}
    most = figures[sizes[-1]]
    bench.record("scale", **worst, **ratio, ledger_bytes=most["ledger_bytes"], **planned(100_000_000))
    return figures


def measure_size(bench: Bench, objects: int) -> dict[str, float]:
    """A run undisturbed, then one of killed steps."""
    already = 9 if objects >= MOSTLY_COPIED else 0
    with scaled_run(bench, objects, already) as run:
        run.measure()
    bench.say(f"undisturbed, as docs/scale.md has it:\n{table({objects: _summed_up(run)})}")
    if objects <= KILLED_UP_TO and max(run.work.values()) >= LEAST_WORK:
        with scaled_run(bench, objects, already) as killed:
            killed.kill(run.work)
            run.figures |= killed.figures
    return _summed_up(run)


def _summed_up(run: ScaledRun) -> dict[str, float]:
    """What the goals ask for, beside what was seen of each step."""
    figures, steps = run.figures, [step for step in STEPS if f"{step}/seconds" in run.figures]
    for name in ("longest", "beside_bytes", "rss", "backend_bytes"):
        figures[name] = max(figures[f"{step}/{name}"] for step in steps)
    figures["linear/seconds"] = sum(figures.get(f"{step}/seconds", 0) for step in LINEAR)
    repeated = {step: figures[f"{step}/repeated"] for step in STEPS if f"{step}/repeated" in figures}
    if repeated:
        figures["repeated"] = max(again / LANES.get(step, 1) for step, again in repeated.items())
    return figures


def linearity(figures: Mapping[int, Mapping[str, float]]) -> float:
    """Times as long as a tenth of the objects, where both were measured; 0: they were not."""
    for objects in sorted(figures, reverse=True):
        if objects // 10 in figures:
            return figures[objects]["linear/seconds"] / figures[objects // 10]["linear/seconds"]
    return 0.0


def planned(objects: int, chunk_size: int = Declaration.model_fields["chunk_size"].default) -> dict[str, float]:
    """What a run of so many objects comes to in Airflow: nothing has to be measured for that."""
    chunks = -(-objects // chunk_length(objects, chunk_size))
    return {"xcom_bytes": len(json.dumps(list(range(1, chunks + 1)))), "task_instances": 3 * chunks + SINGLE_TASKS}


# Where it matters that the store is not what is measured.
STORED = ("list", "copy", "verify", "delete")
# Figures of which the greatest of all sizes counts.
WORST = ("longest", "beside_bytes", "rss", "backend_bytes", "requests", "proof_age", "repeated")
# Of the table in docs/scale.md: what it says, the figure, its unit.
SHOWN = (
    *((f"{step}: time", f"{step}/seconds", "s") for step in STEPS),
    *((f"{step}: objects/s", f"{step}/rate", "") for step in STEPS if step not in {"check", "gate"}),
    *((f"{step}: of that time the store's process is at work", f"{step}/store", "%") for step in STORED),
    ("longest transaction", "longest", "s"),
    *((f"the same: {step}", f"{step}/longest", "s") for step in STEPS),
    ("peak memory of a task", "rss", "MiB"),
    ("peak memory of a server process of a task, its own", "backend_bytes", "MiB"),
    ("disk beside the ledger", "beside_bytes", "MiB"),
    ("ledger with its indexes at the end, an object", "ledger_bytes", "B"),
    *((f"write-ahead log, an object: {step}", f"{step}/wal_bytes", "B") for step in ("list", "copy", "switch")),
    *((f"the same: {step}", f"{step}/wal_bytes", "B") for step in ("verify", "delete", "reconcile")),
    ("S3 requests, an object", "requests", ""),
    ("the same without copies", "requests_but_copies", ""),
    ("age of the proof at a deletion, at most", "proof_age", "s"),
    *((f"killed at nine tenths: {step} repeats", f"{step}/repeated", "objects") for step in STEPS),
    ("chunks", "chunks", ""),
)


def table(figures: Mapping[int, Mapping[str, float]]) -> str:
    """As docs/scale.md has it."""
    head = ["objects and rows", *(f"{objects:,}" for objects in figures)]
    lines = [head, ["---"] + ["---:"] * len(figures)]
    for what, name, unit in SHOWN:
        if any(name in each for each in figures.values()):
            lines.append([what, *(_shown(each.get(name), unit) for each in figures.values())])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit == "MiB":
        value /= 2**20
    return f"{value:.3g} {unit}".strip() if value < 10 else f"{value:,.0f} {unit}".strip()
