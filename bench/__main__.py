"""Measure, print the tables, and keep the figures.

    python -m bench [--objects N] [--rows N] [--keys N] [--runs N] [--only copy,move,…] [--write]

Parts that are measured alone take their places among the figures of earlier runs in `.local/bench/results.json`.
"""

from __future__ import annotations

import argparse
import signal
import sys

from bench import copying, listing, machine, moving, report, scale, switching, workers
from bench.bench import Bench, Options, Part
from bench.results import Results
from bench.servers import clean, servers
from devstack.environment import ROOT, reach_loopback_directly
from devstack.errors import LocalError
from devstack.processes import alone

DIRECTORY = ROOT / ".local" / "bench"
PARTS: dict[str, Part] = {
    "copy": copying.measure,
    "move": moving.measure,
    "listing": listing.measure,
    "switching": switching.measure,
    "scale": scale.measure,
    "workers": workers.measure,
}


def _number(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


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
    default = Options()
    parser.add_argument("--objects", type=_number, default=default.objects, help="of the copy and of the move")
    parser.add_argument("--rows", type=_number, default=default.rows, help="of the switch")
    parser.add_argument("--keys", type=_number, default=default.keys, help="of the listing")
    parser.add_argument("--runs", type=_number, default=default.runs, help="rounds of every measurement")
    parser.add_argument("--in-flight", type=_number, help="requests_in_flight of ours (default: the declaration's)")
    parser.add_argument("--only", type=_parts, default=list(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and its plots as well")
    parser.add_argument("--stop", action="store_true", help="only stop what a killed bench left running")
    chosen = parser.parse_args()
    reach_loopback_directly()
    # So that the servers are stopped then, too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with alone(DIRECTORY, "another bench is at work here, and would spoil the figures; repeat then"):
            # What a killed bench left running.
            workers.stop(DIRECTORY)
            if chosen.stop:
                clean(DIRECTORY)
                return
            options = Options(chosen.objects, chosen.rows, chosen.keys, chosen.runs, chosen.in_flight)
            sys.exit(_run(options, chosen.only, chosen.write))
    except LocalError as error:
        sys.exit(f"make bench: {error}")
    except KeyboardInterrupt:
        sys.exit("make bench: interrupted")


def _run(options: Options, parts: list[str], write: bool) -> int:
    """Measure the parts, each into the results as soon as it is done."""
    kept = Results.read(DIRECTORY / "results.json")
    missed: list[str] = []
    with servers(DIRECTORY) as started:
        bench = Bench(started, options)
        bench.say(f"{options.objects:,} objects into the S3 server")
        started.fill(options.objects)
        for name in parts:
            bench.samples = {}
            PARTS[name](bench)
            kept.replace(name, bench.samples, options, machine.describe())
            kept.write(DIRECTORY / "results.json")
        missed = bench.missed
    print(f"\n{report.text(kept)}")
    report.plot(kept, DIRECTORY)
    if write:
        report.write(kept, ROOT / "docs")
    for each in missed:
        print(f"MISSED: {each}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    main()
