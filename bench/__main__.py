"""Measure, print the tables, and keep the figures.

    python -m bench [--objects N] [--rows N] [--keys N] [--runs N] [--sizes 1,3,10] [--only copy,move,…] [--write]

Parts that are measured alone take their places among the figures of earlier runs in `.local/bench/results.json`.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields

from bench import copying, kills, listing, machine, moving, nights, report, scale, spelling, switching, workers
from bench.bench import Bench
from bench.results import Options, Results
from bench.servers import clean, servers
from devstack.environment import ROOT, reach_loopback_directly
from devstack.errors import LocalError
from devstack.processes import alone

DIRECTORY = ROOT / ".local" / "bench"
PARTS: dict[str, Callable[[Bench], object]] = {
    "copy": copying.measure,
    "move": moving.measure,
    "listing": listing.measure,
    "switching": switching.measure,
    "orders": switching.measure_orders,
    "spelling": spelling.measure,
    "scale": scale.measure,
    "nights": nights.measure,
    "workers": workers.measure,
    "kills": kills.measure,
}
# Only where they are asked for: hours.
NOT_BY_ITSELF = {"kills"}


def _number(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def _sizes(text: str) -> tuple[float, ...]:
    try:
        sizes = tuple(sorted(float(size) for size in text.split(",")))
    except ValueError:
        sizes = ()
    if not sizes or sizes[0] < 1e-6:
        raise argparse.ArgumentTypeError(f"{text!r} are no millions of objects, such as 1,3,10")
    return sizes


def _parts(text: str) -> list[str]:
    """The start of a part's name is enough: `switch`."""
    names = []
    for asked in text.split(","):
        meant = [part for part in PARTS if asked and part.startswith(asked)]
        if len(meant) != 1:
            raise argparse.ArgumentTypeError(f"no part {asked!r}; there are {', '.join(PARTS)}")
        names += meant
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=_sizes, default=Options.sizes, metavar="M,…", help="of scale, in millions")
    for option in fields(Options):
        if option.name == "sizes":
            continue
        parser.add_argument(f"--{option.name}", type=_number, default=option.default, metavar="N")
    parser.add_argument(
        "--only",
        type=_parts,
        default=[part for part in PARTS if part not in NOT_BY_ITSELF],
        help=f"some of {','.join(PARTS)}",
    )
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and its plots as well")
    parser.add_argument("--stop", action="store_true", help="only stop what a killed bench left running")
    chosen = parser.parse_args()
    reach_loopback_directly()
    # So that the servers are stopped then, too.
    for signal_number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, signal.default_int_handler)
    try:
        with alone(DIRECTORY, "another bench is at work here, and would spoil the figures; repeat then"):
            if chosen.stop:
                clean(DIRECTORY)
            else:
                options = Options(*(getattr(chosen, option.name) for option in fields(Options)))
                _run(options, chosen.only, chosen.write)
    except LocalError as error:
        sys.exit(f"make bench: {error}")
    except KeyboardInterrupt:
        sys.exit("make bench: interrupted")


def _run(options: Options, parts: Sequence[str], write: bool) -> None:
    """Measure the parts, each into the results as soon as it is done."""
    file = DIRECTORY / "results.json"
    kept = Results.read(file)
    with servers(DIRECTORY) as started:
        bench = Bench(started, options)
        for name in parts:
            bench.samples = {}
            PARTS[name](bench)
            kept.replace(name, bench.samples, options, machine.describe())
            kept.write(file)
    print(f"\n{report.text(kept)}")
    if write:
        report.write(file, ROOT / "docs")


if __name__ == "__main__":
    main()
