"""The child's side of a measurement: `python -m bench.child <module>.<function> <its arguments, as JSON>`.

The function does what is not measured, and answers the work, which is. What a child prints is the protocol: a line of
JSON once it is ready, and one of what it took; what libraries print goes to the log with the errors.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

Job = dict[str, Any]
Work = Callable[[], Job | None]
_WHOSE = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
_BEGUN = time.monotonic()


def tool(command: list[str]) -> Work:
    """A program from its start to its end. In here, since this process is to hold less memory than any of them."""

    def work() -> None:
        if status := subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode:
            sys.exit(f"{command[0]} ended with {status}")

    return work


def say(line: str) -> None:
    """Progress, to where the errors go."""
    print(f"[{time.monotonic() - _BEGUN:4.0f} s] {line}", file=sys.stderr, flush=True)


def peak() -> int:
    """Bytes of memory that this process, or one that it ran, held at most."""
    own, others = (resource.getrusage(who).ru_maxrss for who in _WHOSE)
    with suppress(OSError):  # on Linux, where rusage begins with the memory of whoever started the process
        own = int(re.findall(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[0])
    return max(own, others) * (1 if sys.platform == "darwin" else 1024)


def _cpu() -> float:
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, _WHOSE))


def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module, _, function = sys.argv[1].partition(".")
    work: Work = getattr(import_module(f"bench.{module}"), function)(**json.loads(sys.argv[2]))
    print("{}", file=out, flush=True)
    if not sys.stdin.readline():
        return  # the bench is gone
    cpu, begun = _cpu(), time.monotonic()
    answer = work() or {}
    seconds = max(time.monotonic() - begun, 1e-6)
    took = {"seconds": seconds, "cpu": _cpu() - cpu, "rss": peak(), "answer": answer}
    print(json.dumps(took), file=out, flush=True)


if __name__ == "__main__":
    main()
