"""The parts that need PostgreSQL alone: modules that run by themselves and answer one JSON object."""

from __future__ import annotations

import json
import subprocess
import sys

from bench.bench import Bench
from devstack.environment import ROOT
from devstack.errors import LocalError

# Objects in the ledger, whatever the number that is really moved.
SCALE = 10_000_000


def switching(bench: Bench) -> None:
    _run(bench, "switching", "--rows", str(bench.options.rows), "--runs", str(bench.options.runs))


def scale(bench: Bench) -> None:
    """Ten times the rows of the switch: ten million by default."""
    _run(bench, "scale", "--objects", str(min(SCALE, 10 * bench.options.rows)))


def _run(bench: Bench, module: str, *arguments: str) -> None:
    """Its progress goes to the terminal; `samples` of the last line that it prints are the figures."""
    command = [sys.executable, "-m", f"bench.{module}", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, timeout=3 * 3600, check=False)
    if done.returncode:
        raise LocalError(f"{module} failed, see above")
    for name, values in json.loads(done.stdout.splitlines()[-1])["samples"].items():
        bench.samples.setdefault(name, []).extend(values)
